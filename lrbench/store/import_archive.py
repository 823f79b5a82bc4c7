"""Import everything that an archive holds into a results folder or, after an error, nothing."""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from filelock import Timeout

from lrbench.errors import LrbenchError, RequestError
from lrbench.files import errors_name, folder_for
from lrbench.lock_files import lock_on
from lrbench.polars_files import REFUSALS, collected, scan_parquet
from lrbench.store.archive_form import FileList
from lrbench.store.claims import STALE_SECONDS, ClaimedError, claimed
from lrbench.store.declarations import read_looks
from lrbench.store.frames import finished_trials
from lrbench.store.import_evaluations import (
    check_evaluations,
    check_searches,
    move_evaluations,
    move_searches,
)
from lrbench.store.integrity import stored_faults
from lrbench.store.joined_suites import joined
from lrbench.store.layout import HISTORY_FILE, RANKS_FILE, WEIGHTS_FILE, Results
from lrbench.store.packed_archive import renew_tables
from lrbench.store.read_archive import REMEDY, unpack_archive
from lrbench.store.seal import file_digest, sealed_json
from lrbench.store.suites import SuiteRecord, read_suite
from lrbench.store.trials import read_record
from lrbench.store.undo import move, overwrite, undone_on_error

__all__ = ["Imported", "import_archive"]

_ROWS_OF_ANY_FILE = 1_000_000
_ROWS_PER_BYTE = 4
"""Parquet needs more than a byte for a row of ranks. A file with far more rows would fill the memory."""

_LOCK = "lock"
"""Name of the lock file of a staging folder. The process that uses the folder holds it."""


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    suite: str
    new: int
    """Number of trials that the results folder did not have."""

    kept: int
    """Number of trials that it had already."""


def import_archive(path: Path, results: Results) -> Imported:
    """Check an archive whole, then move its trials and its suite's record into the results folder.

    Raises:
        RequestError: the archive cannot be used, or the folder has another trial or suite of the same name.
    """
    with _staging(results.root) as folder:
        staged = Results(folder)
        listed = unpack_archive(path, folder)
        suite = _checked(path, staged, listed)
        lock = results.suite_lock(suite.name)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock_on(lock):  # a run of the suite adds to the record too
            return _moved(suite, staged, results)


def _moved(suite: SuiteRecord, staged: Results, results: Results) -> Imported:
    """Move all that the staging folder holds, and join the suite's record with the one that is there."""
    record_file = results.suite(suite.name)
    own = read_suite(record_file) if record_file.exists() else None
    whole = suite if own is None else joined(own, suite, results.root)
    with undone_on_error() as undo:
        trials = staged.trials()
        new = sum(_move_trial(trial, results, undo) for trial in trials)
        move_evaluations(staged, results, undo)
        move_searches(staged, results, undo)
        _add_looks(suite.name, staged, results, undo)
        if whole is suite:
            overwrite(record_file, staged.suite(suite.name).read_bytes(), undo)
        elif whole is not own:
            overwrite(record_file, sealed_json(whole).encode(), undo)
    return Imported(suite.name, new, len(trials) - new)


@contextmanager
def _staging(root: Path) -> Iterator[Path]:
    """Yield a folder in ``root`` that is removed at the end."""
    with folder_for(root):
        _remove_left_over(root)
        folder = root / f".import.{secrets.token_hex(4)}.part"
        folder.mkdir()
        try:
            with errors_name(root, folder), lock_on(folder / _LOCK):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_left_over(root: Path) -> None:
    """Remove the staging folders of processes that were killed.

    A folder without a lock file is left alone for a minute: its process may be about to make the file.
    """
    for folder in root.glob(f".import.{'[0-9a-f]' * 8}.part"):
        if (folder / _LOCK).exists():
            with suppress(Timeout), lock_on(folder / _LOCK, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
            continue
        with suppress(OSError):  # another import removed it, or it is not empty and not lrbench's
            if time.time() - folder.stat().st_mtime > STALE_SECONDS:
                folder.rmdir()


def _checked(path: Path, staged: Results, listed: FileList) -> SuiteRecord:
    """Check all records, digests and ranks, and return the suite's record.

    Raises:
        RequestError: something is wrong with the archive at ``path``.
    """
    name = listed.suite
    try:
        suite = read_suite(staged.suite(name))
        if suite.name != name:
            raise RequestError(f"The record of suite {name} is that of {suite.name}.")
        for folder in (*staged.trials(), *staged.evaluations()):
            for file in (RANKS_FILE, HISTORY_FILE):
                _check_size(folder / file)
        if listed.polars not in ("", pl.__version__):
            renew_tables(staged, listed)
        for folder in staged.trials():
            for fault in stored_faults(folder, left_out=[WEIGHTS_FILE]):
                raise RequestError(fault)
        check_evaluations(staged)
        check_searches(staged, suite)
        finished, _ = finished_trials(suite, staged)
    except LrbenchError as error:
        cause = error.cause.replace(f"{staged.root}{os.sep}", "")
        raise RequestError(f"{path} is damaged: {cause}", REMEDY) from None
    strangers = {folder.name for folder in staged.trials()} - {trial.record.id for trial in finished}
    if strangers or not finished:
        raise RequestError(f"{path} is damaged: its trials are not those of its suite {name}.", REMEDY)
    return suite


def _check_size(file: Path) -> None:
    """Refuse a table that has far more rows than its bytes can hold. Only its metadata are read."""
    if not file.is_file():
        return
    try:
        rows = collected(scan_parquet(file).select(pl.len())).item()
    except REFUSALS:
        raise RequestError(f"{file} is no table.") from None
    if rows > _ROWS_OF_ANY_FILE + _ROWS_PER_BYTE * file.stat().st_size:
        raise RequestError(f"{file} has {rows:,} rows, more than a file of its size can hold.")


def _refuse_another(archived: Path, here: Path) -> None:
    """Refuse an archived trial with a file that differs from the file of the same trial here."""
    for file in archived.iterdir():
        own = here / file.name
        if own.exists() and file_digest(own) != file_digest(file):
            if read_record(here).exact_ranks_to != read_record(archived).exact_ranks_to:
                raise RequestError(
                    f"{here} and the archive hold the same trial, but only one of them has all ranks: "
                    "the other is from a brief archive.",
                    "Import it into another folder: --results DIR",
                )
            raise RequestError(
                f"{own} differs from the file in the archive: the same trial was run twice.",
                "Import it into another folder: --results DIR",
            )


def _move_trial(archived: Path, results: Results, undo: ExitStack) -> bool:
    """Move a trial into place and return ``True``. If it is here, add the files that it lacks here.

    Raises:
        RequestError: a process works on it here, or the trial here has other files.
    """
    here, lock = results.trial(archived.name), results.lock(archived.name)
    for folder in (here.parent, lock.parent):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with claimed(lock):  # so no other process puts the trial here meanwhile
            if here.is_dir():
                _refuse_another(archived, here)
                _add_missing_files(archived, here, undo)
                return False
            move(archived, here, undo)
            return True
    except ClaimedError as claim:
        raise RequestError(
            f"The trial {archived.name} is running in {results.root}: {claim}.",
            "Wait for it, or import elsewhere.",
        ) from None


def _add_missing_files(archived: Path, here: Path, undo: ExitStack) -> None:
    """Add files that a trial here lacks, such as weights if it was imported without them."""
    for file in archived.iterdir():
        target = here / file.name
        if not target.exists():
            move(file, target, undo)


def _add_looks(suite: str, staged: Results, results: Results, undo: ExitStack) -> None:
    """Add the looks at reports elsewhere to those here, the oldest first."""
    file = results.looks(suite)
    here, elsewhere = read_looks(file), read_looks(staged.looks(suite))
    looks = sorted(dict.fromkeys([*here, *elsewhere]), key=lambda look: look.time.isoformat())
    if looks != here:
        lines = [look.model_dump_json() + "\n" for look in looks]
        overwrite(file, "".join(lines).encode(), undo)
