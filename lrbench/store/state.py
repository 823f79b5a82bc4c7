"""How far a trial has come, read from the disk alone."""

from typing import Literal, get_args

from filelock import FileLock, Timeout

from lrbench.store.layout import Results

__all__ = ["STATES", "State", "trial_state"]

State = Literal["done", "running", "interrupted", "failed", "to do"]
STATES: tuple[State, ...] = get_args(State)


def trial_state(results: Results, trial_id: str) -> State:
    """Return the state of a trial.

    ``running``: a process holds its lock. ``interrupted``: it has a checkpoint and nobody works on it.
    """
    if results.trial(trial_id).exists():
        return "done"
    if _locked(results, trial_id):
        return "running"
    if results.failed(trial_id).exists():
        return "failed"
    return "interrupted" if results.running(trial_id).exists() else "to do"


def _locked(results: Results, trial_id: str) -> bool:
    lock_file = results.lock(trial_id)
    if not lock_file.exists():
        return False
    try:
        with FileLock(lock_file, timeout=0):
            return False
    except Timeout:
        return True
