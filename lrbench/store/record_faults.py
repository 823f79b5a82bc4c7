"""Find damaged records of a results folder, except those in the folders of trials."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from lrbench.errors import LrbenchError
from lrbench.store.evaluations import read_evaluation
from lrbench.store.frames import finished_trials
from lrbench.store.layout import Results
from lrbench.store.searches import read_search
from lrbench.store.suites import read_suite
from lrbench.store.trials import read_record

__all__ = ["record_faults"]


def record_faults(results: Results) -> list[str]:
    """Return a sentence for every damaged record of a suite, a search or a later evaluation."""
    faults = []
    for read in _readers(results):
        try:
            read()
        except LrbenchError as error:
            faults.append(error.cause)
    return list(dict.fromkeys(faults))


def _readers(results: Results) -> Iterator[Callable[[], object]]:
    """Yield functions that read one record each."""
    for path in results.suites():
        yield partial(_read_suite, results, path)
    for path in results.searches():
        yield partial(read_search, results, path.stem)
    for path in results.evaluations():
        yield partial(_read_evaluation, results, path.name)


def _read_suite(results: Results, path: Path) -> None:
    finished_trials(read_suite(path), results)


def _read_evaluation(results: Results, trial_id: str) -> None:
    read_evaluation(results, read_record(results.trial(trial_id)))
