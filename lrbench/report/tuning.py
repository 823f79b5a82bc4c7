"""What searches for settings found, and which rows were tuned."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from pydantic import JsonValue

from lrbench.config.tuning import Choice, Range, Space, Tune
from lrbench.report.findings import Comparison, TuningFinding
from lrbench.report.label_metrics import Measured
from lrbench.report.warnings import ReportWarning, WarningKind
from lrbench.store.layout import Results
from lrbench.store.searches import SearchRecord, read_search
from lrbench.store.suites import SuiteRecord
from lrbench.wording import counted, listed

__all__ = [
    "at_end",
    "find_tuning",
    "searched_spaces",
    "tuned_labels",
    "tuning_sentences",
    "unequal_tuning",
    "written_space",
]

SAMPLERS = {
    "random": "random search",
    "tpe": "tree-structured Parzen estimators",
}

MOST_NAMES = 10
"""If more rows were tuned, the caption counts their controls instead of naming them."""

NEAR = 0.02
"""Share of a range of continuous numbers that counts as its end."""


def find_tuning(
    suite: SuiteRecord, results: Results, measured: Sequence[Measured]
) -> Iterator[TuningFinding]:
    """Yield what each complete search of a suite found, and what later runs reached with it.

    Raises:
        LrbenchError: the record of a search cannot be read, or was changed.
    """
    runs = {(entry.label, entry.dataset): tuple(entry.validation_bests.tolist()) for entry in measured}
    for row in suite.searches:
        if results.search(row.search).exists():
            place = row.label, row.dataset
            yield _finding(*place, read_search(results, row.search), runs.get(place, ()))


def tuned_labels(suite: SuiteRecord, dataset: str) -> set[str]:
    """Return the rows on a dataset whose settings a search chose; controls of tuned rows are among them."""
    own = {row.label for row in suite.searches if row.dataset == dataset}
    return own | {label for label, record in suite.controls.items() if record.of in own}


def unequal_tuning(suite: SuiteRecord, comparisons: Sequence[Comparison]) -> Iterator[ReportWarning]:
    """Warn of declared comparisons of a tuned row with a row that was not tuned."""
    for comparison in comparisons:
        tuned = tuned_labels(suite, comparison.dataset)
        pair = (comparison.proposed, comparison.baseline)
        without = [label for label in pair if label not in tuned]
        if len(without) == 1:
            (with_search,) = set(pair) - set(without)
            yield ReportWarning(
                WarningKind.UNEQUAL_TUNING,
                f"On {comparison.dataset}, {with_search} was tuned and is compared with {without[0]}, which "
                "was not.",
                label=without[0],
                dataset=comparison.dataset,
            )


def tuning_sentences(suite: SuiteRecord, results: Results) -> Iterator[str]:
    """Say in the caption which rows were tuned, how, and which were not."""
    tune = suite.tune
    if tune is None or not suite.searches:
        return
    searched = dict.fromkeys(row.label for row in suite.searches)
    complete = {row.label for row in suite.searches if results.search(row.search).exists()}
    tuned = [label for label in searched if label in complete]
    if tuned:
        yield from _method(tune, _names(tuned, suite))
        yield from _shared(suite, tuned)
    if len(tuned) < len(searched):
        waiting = len(searched) - len(tuned)
        rows = "1 further row has" if waiting == 1 else f"{waiting} further rows have"
        yield f"{rows} no complete search."
    controls = [label for label, record in suite.controls.items() if record.of in searched]
    inherited = [label for label in controls if label not in searched]
    if len(inherited) < len(controls):
        yield "Controls that were tuned may also differ from their model in the chosen settings."
    if inherited:
        who = "Controls" if len(inherited) == len(controls) else "The other controls"
        yield f"{who} have the settings that were chosen for their model, and no search of their own."
    kept = [label for label in suite.labels if label not in searched and label not in inherited]
    if kept:
        yield (
            f"Not tuned: {listed(kept)}. A comparison of a tuned row with one of them favours the tuned row."
        )


def _method(tune: Tune, rows: str) -> Iterator[str]:
    """Say how the named rows were tuned, and what that means for tests."""
    users = f" of {tune.users:,} users" if tune.users else ""
    pruned = " with median pruning" if tune.pruning == "median" else " without pruning"
    yield (
        f"Tuned on validation targets{users}: {rows}. Each had "
        f"{counted(tune.trials, 'trial')} of {SAMPLERS[tune.sampler]}{pruned} per dataset and the tuning "
        f"seed {tune.seed}; the reported runs have other seeds."
    )
    if tune.finalists > 1:
        yield (
            f"The settings of the {tune.finalists} best trials were trained again with "
            f"{counted(tune.finalist_runs, 'other seed')}, and the best mean of these runs was chosen."
        )
    yield "Intervals and tests hold for the chosen settings: they do not contain the luck of the search."


def _shared(suite: SuiteRecord, tuned: Sequence[str]) -> Iterator[str]:
    """Say which tuned rows had one search together. Their budget is that of one row."""
    served: dict[str, list[str]] = {}
    for row in suite.searches:
        if row.label in tuned:
            served.setdefault(row.search, []).append(row.label)
    for rows in dict.fromkeys(tuple(labels) for labels in served.values() if len(labels) > 1):
        yield f"One search served {listed(rows)}."


def _names(tuned: list[str], suite: SuiteRecord) -> str:
    """Name the tuned rows. If they are many, their controls are only counted."""
    controls = [label for label in tuned if label in suite.controls]
    if len(tuned) <= MOST_NAMES or not controls:
        return listed(tuned)
    own = [label for label in tuned if label not in controls]
    return f"{listed(own)}, and {len(controls)} of their controls"


def searched_spaces(found: Sequence[TuningFinding]) -> dict[tuple[int, str], list[str]]:
    """Return the number of trials and the space in words → the rows that had this search, in their order."""
    rows: dict[tuple[int, str], dict[str, None]] = {}
    for finding in found:
        rows.setdefault((finding.trials, finding.space), {})[finding.label] = None
    return {search: list(labels) for search, labels in rows.items()}


def written_space(space: Space) -> str:
    """Return ``dropout of 0.1, 0.3; mean_depth from 1 to 8``."""
    return "; ".join(f"{option} {_written(values)}" for option, values in space.items())


def _written(values: Choice | Range) -> str:
    if isinstance(values, Choice):
        return f"of {', '.join(str(value) for value in values.values)}"
    return f"from {values.low:g} to {values.high:g}{' (logarithmic)' if values.log else ''}"


def _finding(label: str, dataset: str, record: SearchRecord, runs: tuple[float, ...]) -> TuningFinding:
    states = [trial.state for trial in record.trials]
    return TuningFinding(
        dataset=dataset,
        label=label,
        search=record.id,
        metric=record.metric,
        sampler=record.config.sampler,
        pruning=record.config.pruning,
        seed=record.config.seed,
        users=record.users,
        space=written_space(record.config.space),
        trials=len(record.trials),
        pruned=states.count("pruned"),
        failed=states.count("failed"),
        own=record.trials[0].value if record.config.own_first else None,
        best=record.best,
        finalists=len(record.finalists),
        place=record.finalists.index(record.chosen) + 1 if record.finalists else 1,
        confirmed=record.confirmed,
        runs=runs,
        settings=dict(record.settings),
        at_end=tuple(at_end(record.config.space, record.settings)),
        seconds=record.seconds,
    )


def at_end(space: Space, settings: Mapping[str, JsonValue]) -> Iterator[str]:
    """Yield the options whose chosen number is at an end of those that were searched, or beyond it."""
    for option, values in space.items():
        chosen = settings.get(option)
        if _is_number(chosen) and _is_at_end(chosen, values):
            yield option


def _is_at_end(chosen: float, values: Choice | Range) -> bool:
    if isinstance(values, Choice):
        numbers = [value for value in values.values if _is_number(value)]
        return len(numbers) > 2 and not min(numbers) < chosen < max(numbers)  # both of two are at an end
    if not values.low < chosen < values.high:
        return True
    if values.whole:
        return False
    scale = math.log if values.log else float
    place = (scale(chosen) - scale(values.low)) / (scale(values.high) - scale(values.low))
    return min(place, 1 - place) < NEAR


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
