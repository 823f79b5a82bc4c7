"""The state of a trial, read from the disk alone."""

import sys
from pathlib import Path
from typing import Literal, get_args

from lrbench.files import open_plain
from lrbench.lock_files import lock_on, refuse_folder
from lrbench.store.claims import holder_elsewhere
from lrbench.store.layout import Results

if sys.platform == "win32":
    from filelock import Timeout
else:
    import fcntl

__all__ = ["STATES", "State", "trial_state"]

State = Literal["done", "running", "interrupted", "failed", "to do"]
STATES: tuple[State, ...] = get_args(State)


def trial_state(results: Results, trial_id: str) -> State:
    """Return the state of a trial or of a search for settings.

    | state | meaning |
    |:--|:--|
    | ``done`` | the trial's folder or the search's record exists |
    | ``running`` | a process on this machine or another one holds the lock |
    | ``failed`` | ``error.txt`` exists, and no process works on it |
    | ``interrupted`` | it was begun, has not failed, and no process works on it |
    | ``to do`` | it was never begun |
    """
    if results.trial(trial_id).exists() or results.search(trial_id).exists():
        return "done"
    lock = results.lock(trial_id)
    if _locked(lock) or holder_elsewhere(lock) is not None:
        return "running"
    if results.error(trial_id).exists():
        return "failed"
    return "interrupted" if results.running(trial_id).exists() else "to do"


if sys.platform == "win32":

    def _locked(path: Path) -> bool:
        """Try the lock. Windows has none for readers, so the file must be writable."""
        if not path.exists():
            return False
        try:
            with lock_on(path, timeout=0):
                return False
        except Timeout:
            return True

else:

    def _locked(path: Path) -> bool:
        """Try the lock as a reader. A ``FileLock`` would need to write, maybe into another user's results."""
        refuse_folder(path)
        try:
            with open_plain(path) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except BlockingIOError:
            return True
        return False
