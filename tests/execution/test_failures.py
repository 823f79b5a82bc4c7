"""What is said of a trial that failed."""

from pathlib import Path

import pytest

from lrbench.execution.failures import record_failure
from lrbench.plugins import PLUGINS, plugged_models
from lrbench.store.layout import LOG_FILE, Results

FAULTY = """
from lrbench.models.sequential.sasrec import SASRec


class Faulty(SASRec):
    def item_vectors(self):
        raise IndexError("index out of range")


MODELS = {"faulty": Faulty}
"""


def test_a_failure_in_a_plug_in_names_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error alone may say nothing of its place, such as an index that is out of range."""
    file = tmp_path / "faulty.py"
    file.write_text(FAULTY, encoding="utf-8")
    monkeypatch.setenv(PLUGINS, str(file))
    model, _ = plugged_models()["faulty"]
    with pytest.raises(IndexError) as caught:
        model.item_vectors(None)
    failed = record_failure(Results(tmp_path), "t", caught.value)
    assert failed.reason == f"line 7 of {file}: IndexError: index out of range"


def test_the_error_file_ends_with_the_last_lines_of_the_log(tmp_path: Path) -> None:
    results = Results(tmp_path)
    log = results.running("t") / LOG_FILE
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {number}\n" for number in range(100)), encoding="utf-8")
    failed = record_failure(results, "t", "The worker was killed.", "its last words\n")
    assert (failed.reason, failed.error_file) == ("The worker was killed.", str(results.error("t")))
    head, _, tail = results.error("t").read_text(encoding="utf-8").partition("Last lines of the log:\n")
    assert head == "The worker was killed.\n\nits last words\n\n"
    assert tail.splitlines() == [f"line {number}" for number in range(60, 100)]
