"""How far a trial has come, read from the disk alone."""

import fcntl
from typing import Literal, get_args

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
    if results.error(trial_id).exists():
        return "failed"
    return "interrupted" if results.running(trial_id).exists() else "to do"


def _locked(results: Results, trial_id: str) -> bool:
    """Try the lock as a reader, since a ``FileLock`` would have to write where others' results may lie."""
    try:
        with results.lock(trial_id).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    return False
