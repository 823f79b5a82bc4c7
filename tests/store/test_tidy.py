"""What is removed from a results folder when a run begins and ends."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lrbench.store.layout import RECORD_FILE, SINCE_FILE, Results
from lrbench.store.tidy import tidy

BEFORE, COMPLETE, AFTER = 1_000_000, 2_000_000, 3_000_000


def trial_record(results: Results) -> Path:
    return results.trial("x") / RECORD_FILE


def search_record(results: Results) -> Path:
    return results.search("x")


def left_by(results: Results, record: Path, since: int | None, queued: int | None) -> None:
    """Make a complete trial or search with a checkpoint, and notes of a run at these times."""
    checkpoint = results.running("x") / "checkpoint.pt"
    times = {record: COMPLETE, checkpoint: AFTER, results.events("x"): AFTER}
    times |= {results.running("x") / SINCE_FILE: since} if since else {}
    times |= {results.job("x"): queued} if queued else {}
    for path, time in times.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (time, time))


@pytest.mark.parametrize(
    ("since", "queued", "stays"),
    [
        (None, None, False),
        (BEFORE, BEFORE, False),
        (BEFORE, None, False),
        (AFTER, None, True),
        (AFTER, AFTER, True),
        (None, AFTER, True),
    ],
)
@pytest.mark.parametrize("record", [trial_record, search_record])
def test_leftovers_of_a_complete_trial_or_search_go_unless_it_is_run_again(
    tmp_path: Path, record: Callable[[Results], Path], since: int | None, queued: int | None, stays: bool
) -> None:
    results = Results(tmp_path)
    left_by(results, record(results), since, queued)
    tidy(results)
    assert record(results).exists()
    left = [path.exists() for path in (results.running("x"), results.events("x"))]
    assert left == [stays, stays]
    assert results.job("x").exists() == (stays and queued is not None)


def test_the_checkpoint_of_a_trial_that_was_not_complete_stays(tmp_path: Path) -> None:
    """Its process was killed while it wrote the folder of the trial."""
    results = Results(tmp_path)
    unfinished, checkpoint = tmp_path / "trials" / ".x.0123abcd.part", results.running("x") / "checkpoint.pt"
    for path in (unfinished / RECORD_FILE, checkpoint):
        path.parent.mkdir(parents=True)
        path.touch()
    tidy(results)
    assert not unfinished.exists()
    assert checkpoint.exists()
