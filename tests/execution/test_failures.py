"""What is said of a trial that failed."""

from pathlib import Path

import pytest

from lrbench.execution.failures import record_failure
from lrbench.plugins import PLUGINS, plugged_models
from lrbench.store.layout import Results

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
