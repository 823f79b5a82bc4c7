"""What is said of a trial that failed."""

from pathlib import Path

import pytest

from lrbench.execution.events import parse_event
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


def test_a_log_that_ends_within_a_character_is_quoted(tmp_path: Path) -> None:
    results = Results(tmp_path)
    log = results.running("t") / LOG_FILE
    log.parent.mkdir(parents=True)
    log.write_bytes("abc\u00e9".encode()[:-1])
    record_failure(results, "t", "The worker was killed.")
    assert "abc\ufffd" in results.error("t").read_text(encoding="utf-8")


def test_an_error_that_names_a_file_in_no_encoding_is_told_with_escapes(tmp_path: Path) -> None:
    failed = record_failure(Results(tmp_path), "t", ValueError("cannot read a\udcfb"))
    assert failed.reason == r"ValueError: cannot read a\udcfb"
    assert r"cannot read a\udcfb" in Results(tmp_path).error("t").read_text(encoding="utf-8")
    assert parse_event(failed.model_dump_json()) == failed
