"""Damaged trial folders are named, with what to do about them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic_results import Made, write_trial

from lrbench.errors import LrbenchError
from lrbench.store.layout import Results
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
