"""Damaged trial folders are named, with what to do about them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic_results import Made, evaluated_later, write_trial

from lrbench.errors import LrbenchError
from lrbench.store import trials
from lrbench.store.integrity import stored_faults
from lrbench.store.layout import LOG_FILE, Results
from lrbench.store.trials import read_history, read_ranks, read_record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Results(tmp_path).trial(write_trial(tmp_path, Made("A"), "sample", seed=1))


@pytest.mark.parametrize("kept", [None, 0, 100], ids=["missing", "empty", "cut off"])
@pytest.mark.parametrize(
    ("name", "read"),
    [("trial.json", read_record), ("ranks.parquet", read_ranks), ("history.parquet", read_history)],
)
def test_a_damaged_file_is_named(
    folder: Path, name: str, read: Callable[[Path], object], kept: int | None
) -> None:
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(content[:kept])
    with pytest.raises(LrbenchError, match="is missing, damaged or of another version") as caught:
        read(folder)
    assert str(path) in caught.value.cause
    assert "run the trial again" in caught.value.remedy


def test_a_trial_that_is_complete_leaves_nothing_of_the_attempts_before(folder: Path, tmp_path: Path) -> None:
    """A later evaluation ranked with the weights of the earlier run."""
    results, record = Results(tmp_path), read_record(folder)
    evaluated_later(tmp_path, Made("A", depths=(4,)), "sample", 1, record.id)
    earlier = (results.running(record.id), results.failed(record.id), results.evaluation(record.id))
    for path in earlier:
        path.mkdir(parents=True, exist_ok=True)
    (results.running(record.id) / LOG_FILE).write_text("begun", encoding="utf-8")
    ranks, history = read_ranks(folder, None).collect(), read_history(folder)
    trials.write_trial(results, record, ranks, history, lambda path: path.touch())
    assert [path for path in earlier if path.exists()] == []
    assert stored_faults(folder) == []
    assert (folder / LOG_FILE).read_text(encoding="utf-8") == "begun"
