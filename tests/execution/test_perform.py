"""Only one process at a time works on a trial, and on the stages that trials share."""

from pathlib import Path
from typing import Any

import pytest
from small_data import order, trial_config

from lrbench.execution.events import TrialBusy
from lrbench.execution.perform import _claimed, perform
from lrbench.store.claims import ClaimedError, claimed, holder_of
from lrbench.store.layout import Results
from lrbench.training.news import EpochDone

TRIAL = trial_config(max_epochs=3, patience=3, batch_size=512)


def test_a_trial_holds_its_own_lock_and_that_of_its_training(walks_folder: Path, tmp_path: Path) -> None:
    """Another trial whose first stages are these waits for their weights."""
    results = Results(tmp_path)
    locks = (results.lock(TRIAL.id), results.training_lock(TRIAL.training_ids[-1]))
    with _claimed(order(TRIAL, walks_folder, tmp_path)):
        for lock in locks:
            with pytest.raises(ClaimedError), claimed(lock):
                pass
    for lock in locks:
        with claimed(lock):
            pass


def test_who_lost_the_trial_to_another_process_ends_after_the_epoch(
    walks_folder: Path, tmp_path: Path
) -> None:
    """It may have been suspended for longer than a lease is respected."""
    lock, seen = Results(tmp_path).lock(TRIAL.id), list[Any]()

    def lose() -> bool:
        holder = holder_of(lock)
        assert holder is not None
        other = holder.model_copy(update={"token": "of another", "host": "node7", "process": 1})
        lock.with_suffix(".lease").write_text(other.model_dump_json(), encoding="utf-8")
        return False

    assert perform(order(TRIAL, walks_folder, tmp_path), seen.append, lose)
    assert [event.epoch for event in seen if isinstance(event, EpochDone)] == [1]
    assert seen[-1] == TrialBusy(trial=TRIAL.id, reason="node7, process 1 has taken it over")
    assert not Results(tmp_path).trial(TRIAL.id).exists()
