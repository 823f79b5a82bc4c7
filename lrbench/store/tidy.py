"""Remove what killed processes left in a results folder."""

import re
from contextlib import suppress
from pathlib import Path

from lrbench.files import remove, tidy_folder
from lrbench.store.claims import ClaimedError, claimed
from lrbench.store.evaluations import discard_of_another_run
from lrbench.store.layout import RECORD_FILE, SINCE_FILE, Results

__all__ = ["tidy"]

_LEASE = re.compile(r"\.?([^.].*\.lease)(?:\.[0-9a-f]{8}\.[0-9a-f]{8})?")
_UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{8}\.(?:part|old)")


def tidy(results: Results) -> None:
    """Remove unfinished trial folders, leftovers of complete trials and searches, leases of dead processes.

    Later evaluations of trials that were run again are removed too.

    A trial on which a process works is left alone. So is a complete one that a run trains again: its job may
    wait in a queue, and then no process works on it.
    """
    trials = results.root / "trials"
    names = [path.name for path in trials.iterdir()] if trials.is_dir() else []
    unfinished = {found[1] for name in names if (found := _UNFINISHED.fullmatch(name))}
    complete = [path.name for path in results.trials()] + [path.stem for path in results.searches()]
    for trial_id in sorted(unfinished | {name for name in complete if _has_leftovers(results, name)}):
        lock = results.lock(trial_id)
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with claimed(lock):
                tidy_folder(results.trial(trial_id))
                if _complete_since_begun(results, trial_id):
                    for left in _leftovers(results, trial_id):
                        remove(left)
        except ClaimedError:
            continue
    for folder in results.evaluations():
        discard_of_another_run(results, folder.name)
    for name in _leases(results.running("")):  # claiming and releasing removes the lease of a killed process
        with suppress(ClaimedError), claimed((results.running("") / name).with_suffix(".lock")):
            pass


def _leases(folder: Path) -> list[str]:
    """Return the names of all leases in a folder, also of those with only a temporary file left."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted({found[1] for name in names if (found := _LEASE.fullmatch(name))})


def _has_leftovers(results: Results, trial_id: str) -> bool:
    return any(path.exists() for path in _leftovers(results, trial_id))


def _complete_since_begun(results: Results, trial_id: str) -> bool:
    """Whether a trial or search is complete, and was neither queued nor begun again since."""
    records = results.trial(trial_id) / RECORD_FILE, results.search(trial_id)
    complete = [record.stat().st_mtime for record in records if record.exists()]
    marks = results.job(trial_id), results.running(trial_id) / SINCE_FILE
    begun = [mark.stat().st_mtime for mark in marks if mark.exists()]
    return bool(complete) and max(begun, default=0.0) <= max(complete)


def _leftovers(results: Results, trial_id: str) -> tuple[Path, ...]:
    """Return the files and folders that a trial or search has only until it is complete."""
    return (
        results.running(trial_id),
        results.failed(trial_id),
        results.events(trial_id),
        results.job(trial_id),
    )
