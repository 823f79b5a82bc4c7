"""Take what was ranked after trials, and the searches for settings, from an archive that was unpacked."""

from contextlib import ExitStack
from pathlib import Path

import polars as pl
from filelock import FileLock, Timeout

from lrbench.errors import RequestError
from lrbench.store.evaluations import LaterEvaluation, read_evaluation
from lrbench.store.integrity import check_rank_values
from lrbench.store.layout import RANKS_FILE, Results
from lrbench.store.seal import file_digest
from lrbench.store.searches import read_search
from lrbench.store.suites import SuiteRecord
from lrbench.store.trials import read_record

__all__ = ["check_evaluations", "check_searches", "move_evaluations", "move_searches"]


def check_evaluations(staged: Results) -> None:
    """Check that all evaluations are of trials of the archive, and that their ranks are ranks.

    Raises:
        LrbenchError: one is not.
    """
    trials = {folder.name for folder in staged.trials()}
    for folder in staged.evaluations():
        if folder.name not in trials:
            raise RequestError(f"{folder} is of a trial that is not in it.")
        check_rank_values(_evaluation(staged, folder.name).ranks(None), folder / RANKS_FILE)


def check_searches(staged: Results, suite: SuiteRecord) -> None:
    """Check that all searches are whole and the suite's.

    Raises:
        LrbenchError: one is not.
    """
    known = {row.search for row in suite.searches}
    for path in staged.searches():
        if read_search(staged, path.stem).id not in known:
            raise RequestError(f"{path} is no search of its suite {suite.name}.")


def move_evaluations(staged: Results, results: Results, undo: ExitStack) -> None:
    """Move evaluations into place. Of two evaluations of a trial, the one that holds the other's ranks stays.

    Raises:
        RequestError: each has ranks that the other one lacks, or a process is writing one here.
    """
    for archived in staged.evaluations():
        here, lock = results.evaluation(archived.name), results.evaluation_lock(archived.name)
        for folder in (here.parent, lock.parent):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(lock, timeout=0):
                _move_evaluation(archived, here, staged, results, undo)
        except Timeout:
            raise RequestError(
                f"The trial {archived.name} is being evaluated in {results.root}.",
                "Wait for it, or import elsewhere.",
            ) from None


def _move_evaluation(archived: Path, here: Path, staged: Results, results: Results, undo: ExitStack) -> None:
    if here.is_dir():
        own = _evaluation(results, here.name).read()
        new = _evaluation(staged, here.name).read()
        if _holds(own, new):
            return
        if not _holds(new, own):
            raise RequestError(
                f"{here} has other ranks than the archive has for the same trial.",
                "Import it into another folder: --results DIR",
            )
        aside = staged.root / f"replaced-{here.name}"
        here.rename(aside)
        undo.callback(aside.rename, here)
    archived.rename(here)
    undo.callback(here.rename, archived)


def move_searches(staged: Results, results: Results, undo: ExitStack) -> None:
    """Move searches into place.

    Raises:
        RequestError: a search was made here too, with another outcome.
    """
    for archived in staged.searches():
        here = results.search(archived.stem)
        if not here.exists():
            here.parent.mkdir(parents=True, exist_ok=True)
            archived.rename(here)
            undo.callback(here.unlink, missing_ok=True)
        elif file_digest(here) != file_digest(archived):
            raise RequestError(
                f"{here} differs from that of the archive: the same search was made twice.",
                "Import it into another folder: --results DIR",
            )


def _evaluation(results: Results, trial: str) -> LaterEvaluation:
    found = read_evaluation(results, read_record(results.trial(trial)))
    assert found is not None  # the folder is there
    return found


def _holds(later: pl.DataFrame, earlier: pl.DataFrame) -> bool:
    """Whether each row of a frame is also in another one."""
    return earlier.join(later, on=earlier.columns, how="anti", nulls_equal=True).is_empty()
