"""What tuning with fewer trials would have found, for each row that was tuned."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lrbench.stats.tuning import expected_best
from lrbench.store.frames import FinishedTrial
from lrbench.store.layout import Results
from lrbench.store.searches import SearchRecord, read_search
from lrbench.store.suites import TunedRow

__all__ = ["Budget", "make_budgets"]


@dataclass(frozen=True)
class Budget:
    """The best validation score of a row after 1, 2, … tuning trials."""

    dataset: str
    label: str
    metric: str
    """The selection metric, on validation targets."""

    best: tuple[float, ...]
    """By number of trials: the expected best for random search, the best so far for another sampler.

    A first trial with the row's own settings is not random, so it counts in every number of trials.
    """

    low: tuple[float, ...]
    """The expected best minus a standard deviation; empty where trials depend on earlier ones."""

    high: tuple[float, ...]
    """The expected best plus a standard deviation; empty in the same case."""

    failed: int
    """Number of trials without a score, which are left out."""


def make_budgets(
    rows: Sequence[TunedRow], trials: Sequence[FinishedTrial], results: Results
) -> Iterator[Budget]:
    """Yield the budget of every tuned row on every dataset, if the results folder has its search.

    Args:
        rows: those that were searched for, with or without trials yet.
        trials: finished ones. Rows with the settings of another row's search are found by them.
        results: where the searches are.

    Raises:
        LrbenchError: the record of a search is damaged or was changed.
    """
    searches = {(row.dataset, row.label): row.search for row in rows}
    for trial in trials:
        if (search := trial.record.config.search) is not None:
            searches[trial.cell.dataset, trial.cell.label] = search
    for (dataset, label), search in searches.items():
        if results.search(search).is_file():
            yield _budget(dataset, label, read_search(results, search))


def _budget(dataset: str, label: str, record: SearchRecord) -> Budget:
    values = np.array([trial.value for trial in record.trials if trial.value is not None])  # (trials,)
    failed = len(record.trials) - len(values)
    if record.config.sampler != "random":
        so_far = tuple(np.maximum.accumulate(values).tolist())
        return Budget(dataset, label, record.metric, so_far, (), (), failed)
    own_first = record.config.own_first and record.trials[0].value is not None
    found = expected_best(values[1:], values[0]) if own_first else expected_best(values)
    mean, low, high = (tuple(part.tolist()) for part in (found.mean, found.low, found.high))
    return Budget(dataset, label, record.metric, mean, low, high, failed)
