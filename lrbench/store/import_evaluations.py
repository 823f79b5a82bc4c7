"""Import later evaluations and searches for settings from an archive that was unpacked."""

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
from lrbench.store.undo import move

__all__ = ["check_evaluations", "check_searches", "move_evaluations", "move_searches"]


def check_evaluations(staged: Results) -> None:
    """Check that all evaluations belong to trials of the archive, and that their ranks are valid.

    Args:
        staged: the folder with the unpacked archive.

    Raises:
        LrbenchError: an evaluation does not, or is damaged.
    """
    trials = {folder.name for folder in staged.trials()}
    for folder in staged.evaluations():
        if folder.name not in trials:
            raise RequestError(f"{folder} belongs to a trial that is not in it.")
        check_rank_values(_evaluation(staged, folder.name).ranks(None), folder / RANKS_FILE)


def check_searches(staged: Results, suite: SuiteRecord) -> None:
    """Check that all searches are complete and belong to the suite.

    Raises:
        LrbenchError: a search does not, or is damaged.
    """
    known = {row.search for row in suite.searches}
    for path in staged.searches():
        if read_search(staged, path.stem).id not in known:
            raise RequestError(f"{path} is no search of the suite {suite.name}.")


def move_evaluations(staged: Results, results: Results, undo: ExitStack) -> None:
    """Move evaluations into place.

    If a trial has an evaluation here too, the one that holds all ranks of the other stays.

    Args:
        staged: the folder with the unpacked archive.
        results: the folder that receives them.
        undo: gets a step for every move.

    Raises:
        RequestError: each has ranks that the other lacks, or a process is writing one here.
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
                f"{here} and the archive have different ranks for the same trial.",
                "Import it into another folder: --results DIR",
            )
        aside = staged.root / f"replaced-{here.name}"
        move(here, aside, undo)
    move(archived, here, undo)


def move_searches(staged: Results, results: Results, undo: ExitStack) -> None:
    """Move searches into place.

    Raises:
        RequestError: the same search was also made here, with another outcome.
    """
    for archived in staged.searches():
        here = results.search(archived.stem)
        if not here.exists():
            here.parent.mkdir(parents=True, exist_ok=True)
            move(archived, here, undo)
        elif file_digest(here) != file_digest(archived):
            raise RequestError(
                f"{here} differs from the file in the archive: the same search was made twice.",
                "Import it into another folder: --results DIR",
            )


def _evaluation(results: Results, trial: str) -> LaterEvaluation:
    found = read_evaluation(results, read_record(results.trial(trial)))
    assert found is not None  # the folder is there
    return found


def _holds(later: pl.DataFrame, earlier: pl.DataFrame) -> bool:
    """Whether ``later`` has each row of ``earlier``."""
    return earlier.join(later, on=earlier.columns, how="anti", nulls_equal=True).is_empty()
