"""Warn of trials without results: those that failed, and those that were never run or never planned."""

from collections.abc import Iterator, Sequence

from lrbench.report.label_metrics import Measured
from lrbench.report.report import QualityRow
from lrbench.report.warnings import ReportWarning, WarningKind
from lrbench.store.commands import command_to_run
from lrbench.store.layout import Results
from lrbench.store.state import trial_state
from lrbench.store.suites import SuiteRecord, SuiteTrial
from lrbench.wording import listed, some_of

__all__ = ["fewer_seeds", "missing_trials"]


def missing_trials(
    suite: SuiteRecord, results: Results, missing: Sequence[SuiteTrial], rows: Sequence[QualityRow]
) -> Iterator[ReportWarning]:
    """Warn of missing trials, one warning for each row, dataset and remedy.

    Args:
        suite: its record.
        results: where failed trials and searches are.
        missing: the suite's trials that are not finished.
        rows: what the report shows.
    """
    seeds: dict[tuple[str, str, bool], list[int]] = {}
    for cell in missing:
        failed = trial_state(results, cell.trial) == "failed"
        seeds.setdefault((cell.dataset, cell.label, failed), []).append(cell.seed)
    shown = {(row.dataset, row.label) for row in rows}
    for (dataset, label, failed), lacking in sorted(seeds.items(), key=lambda group: not group[0][2]):
        trials = f"the {'trial' if len(lacking) == 1 else 'trials'} of {_seeds(lacking)}"
        which = f"{trials}, which failed" if failed else trials
        outcome = "what is there is shown" if (dataset, label) in shown else "there is nothing to show"
        cause = f"{label} on {dataset} lacks {which}; {outcome}."
        yield _warning(suite, results, failed, cause, label, dataset)
    for dataset, label in suite.not_begun:
        failed = _search_failed(suite, results, dataset, label)
        why = "has no trials, as the search for its settings failed" if failed else "has no trials yet"
        cause = f"{label} on {dataset} {why}; there is nothing to show."
        yield _warning(suite, results, failed, cause, label, dataset)


def fewer_seeds(suite: SuiteRecord, measured: Sequence[Measured]) -> Iterator[ReportWarning]:
    """Warn of rows that were never to be trained with some of the suite's seeds."""
    for dataset in suite.datasets:
        trained = [row.label for row in measured if row.dataset == dataset and not row.deterministic]
        rows: dict[tuple[int, ...], list[str]] = {}
        for label in trained:
            seeds = {cell.seed for cell in suite.trials if (cell.dataset, cell.label) == (dataset, label)}
            lacking = tuple(seed for seed in suite.seeds_for(dataset) if seed not in seeds)
            rows.setdefault(lacking, []).append(label)
        for lacking, labels in rows.items():
            if lacking:
                who = dataset if labels == trained else f"{some_of(labels)} on {dataset}"
                verb = "was" if len(labels) == 1 or labels == trained else "were"
                cause = f"{who} {verb} never run with {_seeds(lacking)} of the suite."
                yield ReportWarning(WarningKind.FEWER_SEEDS, cause, dataset=dataset)


def _warning(
    suite: SuiteRecord, results: Results, failed: bool, cause: str, label: str, dataset: str
) -> ReportWarning:
    run = command_to_run(suite, results)
    if not failed:
        return ReportWarning(WarningKind.MISSING_TRIALS, cause, run, label, dataset)
    status = results.command("status", suite.name)
    return ReportWarning(WarningKind.FAILED_TRIALS, cause, run, label, dataset, status)


def _search_failed(suite: SuiteRecord, results: Results, dataset: str, label: str) -> bool:
    """Whether the search that a row waits for has failed. A control may wait for that of its model's row."""
    searches = {row.label: row.search for row in suite.searches if row.dataset == dataset}
    control = suite.controls.get(label)
    search = searches.get(label) or (searches.get(control.of) if control is not None else None)
    return search is not None and trial_state(results, search) == "failed"


def _seeds(numbers: Sequence[int]) -> str:
    return f"{'seed' if len(numbers) == 1 else 'seeds'} {listed([str(number) for number in numbers])}"
