"""From a suite's record and its stored ranks to a report. Everything is computed here, once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lrbench.data.addresses import without_folders
from lrbench.errors import RequestError, did_you_mean
from lrbench.metrics import metric_function
from lrbench.report.across import combine_datasets
from lrbench.report.answers import make_answers
from lrbench.report.budgets import make_budgets
from lrbench.report.captions import caption_sentences
from lrbench.report.checks import find_warnings
from lrbench.report.choices import Choices, choose, rename_rows, shown_names, shown_rows
from lrbench.report.comparisons import declared_comparisons, descriptive_comparisons
from lrbench.report.costs import make_costs
from lrbench.report.curves import make_curves
from lrbench.report.declared import verdict_changes
from lrbench.report.depths import measure_depths
from lrbench.report.families import declared_families, family_labels, find_references, lacks_runs
from lrbench.report.group_table import GroupTable
from lrbench.report.interventions import find_interventions
from lrbench.report.label_metrics import Measured, measure
from lrbench.report.numbers import MetricStyle
from lrbench.report.oracles import find_oracles
from lrbench.report.pairs import find_twins
from lrbench.report.provenance import make_provenance
from lrbench.report.published import (
    PublishedNumbers,
    published_sources,
    published_values,
    shipped_numbers,
)
from lrbench.report.quality_rows import make_rows, with_differences
from lrbench.report.recoveries import find_recoveries
from lrbench.report.report import DatasetNote, Report
from lrbench.report.seen_items import compare_without_seen_items
from lrbench.report.tuning import find_tuning, tuning_sentences
from lrbench.report.user_groups import FindPrepared, find_user_groups
from lrbench.store.commands import command_to_run
from lrbench.store.declarations import read_looks
from lrbench.store.frames import FinishedTrial, finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord, SuiteTrial
from lrbench.store.trials import DatasetSummary
from lrbench.wording import counted, some_of

__all__ = ["ReportOptions", "build_report"]


@dataclass(frozen=True)
class ReportOptions:
    """What a person may choose about the content of a report."""

    metrics: tuple[str, ...] = ()
    """Columns; empty: those of the protocol and the primary metric."""

    baseline: str | None = None
    """The label to which percentages are relative; `None`: no percentages."""

    masked: bool | None = None
    """Whether to leave items of the user's history out of the ranks; `None`: as the protocol says."""

    style: MetricStyle = field(default_factory=MetricStyle)
    """How metrics are written in tables."""

    choices: Choices = field(default_factory=Choices)
    """Which rows and datasets to show, in which order, under which names."""

    groups: GroupTable | None = None
    """Further groups of users, from the person's own table."""

    published: PublishedNumbers | None = None
    """Published numbers to compare with; `None`: those that ship with lrbench."""

    command: str = ""
    """The command that makes the report, to be printed in its provenance."""


def build_report(
    suite: SuiteRecord,
    results: Results,
    options: ReportOptions | None = None,
    prepared: FindPrepared | None = None,
) -> Report:
    """Compute a report from the trials that are finished.

    Args:
        suite: the suite's record.
        results: where its trials are.
        options: what a person chose.
        prepared: function from a dataset's name to its prepared form, from which users are grouped; `None`:
            there are no groups by history length and popularity.

    Raises:
        RequestError: a metric, label or pattern is unknown, or no trial of the chosen rows is finished.
        CheckError: trials of one dataset were ranked on different targets.
    """
    options = options or ReportOptions()
    choices = options.choices
    labels = shown_rows(suite.labels, choices)
    suite = rename_rows(suite, choices.rename)
    baseline = _baseline(suite, options)
    metrics = _metrics(suite, options.metrics)
    finished, missing = _finished(suite, results)
    masked = suite.protocol.mask_seen if options.masked is None else options.masked
    computed = tuple(dict.fromkeys((*metrics, suite.primary_metric)))
    measured = measure(finished, suite.datasets, suite.labels, computed, masked)
    if baseline is not None and all(row.label != baseline for row in measured):
        raise RequestError(
            f'No trial of the row "{baseline}" is finished in {results.root}.',
            f"Name another with --baseline, or see how far it is: {results.command('status', suite.name)}",
        )
    asked = _Asked(suite, options, baseline, metrics, masked)
    report = _measured_report(asked, measured, finished)
    report = _with_history(report, suite, results, finished)
    report = replace(
        report,
        interim=bool(missing or suite.not_begun) or any(lacks_runs(row, suite) for row in measured),
        tuning=tuple(find_tuning(suite, results, measured)),
    )
    report = _without_seen_items(report, asked, measured, finished)
    report = _with_groups(report, asked, measured, prepared)
    report = replace(report, warnings=tuple(find_warnings(report, suite, results, measured, missing)))
    report = replace(report, caption=caption_sentences(report), answers=tuple(make_answers(report)))
    datasets = [note.summary.name for note in report.datasets]
    shown = choose(
        report,
        labels=[choices.rename.get(label, label) for label in labels],
        datasets=shown_names(datasets, choices.datasets, (), "dataset"),
        sort=choices.sort,
    )
    if not shown.rows:
        raise RequestError(
            f"No trial of {some_of(labels)} is finished in {results.root}.",
            f"See how far it is: {results.command('status', suite.name)}",
        )
    return shown


@dataclass(frozen=True)
class _Asked:
    """What was asked for by the suite and by the person, in the names that are printed."""

    suite: SuiteRecord
    options: ReportOptions
    baseline: str | None
    metrics: tuple[str, ...]
    masked: bool


def _measured_report(
    asked: _Asked,
    measured: Sequence[Measured],
    finished: Sequence[FinishedTrial],
) -> Report:
    """Fill in everything that follows from the ranks and records of the trials."""
    suite, options = asked.suite, asked.options
    declared = declared_comparisons(measured, suite)
    depths, findings = measure_depths(measured, suite.primary_metric, asked.masked)
    numbers = options.published or shipped_numbers()
    published = tuple(published_values(measured, numbers.value))
    descriptive = descriptive_comparisons(measured, suite, asked.baseline, asked.metrics)
    rows = make_rows(measured, asked.metrics, find_twins(measured, list(suite.controls)))
    return Report(
        suite=suite.name,
        protocol=suite.protocol,
        masked=asked.masked,
        primary_metric=suite.primary_metric,
        metrics=asked.metrics,
        datasets=tuple(_datasets(measured, suite.primary_metric)),
        labels=suite.labels,
        proposed=suite.proposed,
        baseline=asked.baseline,
        rows=tuple(with_differences(rows, (*declared, *descriptive), asked.baseline)),
        comparisons=tuple(declared),
        descriptive=tuple(descriptive),
        costs=tuple(make_costs(measured)),
        depths=tuple(depths),
        depth_findings=tuple(findings),
        interventions=tuple(
            find_interventions(measured, suite.controls, suite.primary_metric, asked.masked, suite.margin)
        ),
        oracles=tuple(find_oracles(measured, suite, asked.masked)),
        recoveries=tuple(find_recoveries(measured, suite.primary_metric)),
        published=published,
        published_sources=tuple(published_sources(published, numbers.sources)),
        provenance=make_provenance(finished, suite.text, options.command),
        warnings=(),
        curves=tuple(make_curves(finished)),
        rows_of_suite=len(suite.labels),
        style=options.style,
    )


def _with_history(
    report: Report, suite: SuiteRecord, results: Results, finished: Sequence[FinishedTrial]
) -> Report:
    """Add what was declared, how much was tuned, and which reports had been seen before."""
    return replace(
        report,
        families=tuple(declared_families(suite, report.comparisons)),
        across=tuple(combine_datasets(report.comparisons, family_labels(suite))),
        margin=suite.margin,
        seen_seeds=_seen_seeds(report),
        declarations=suite.declarations,
        against=suite.against,
        looks=tuple(read_looks(results.looks(suite.name))),
        budgets=tuple(make_budgets(suite.searches, finished, results)),
        tuning_notes=tuple(tuning_sentences(suite, results)),
        controls=suite.controls,
        matches=suite.matches,
    )


def _without_seen_items(
    report: Report, asked: _Asked, measured: Sequence[Measured], finished: Sequence[FinishedTrial]
) -> Report:
    """Repeat the declared comparisons without items that users have seen, where the protocol ranks these."""
    suite = asked.suite
    if asked.masked or suite.protocol.mask_seen or not suite.proposed:
        return report
    without = measure(finished, suite.datasets, suite.labels, (suite.primary_metric,), masked=True)
    found = compare_without_seen_items(measured, without, suite)
    across = combine_datasets([each.comparison for each in found], family_labels(suite))
    report = replace(
        report,
        without_seen_items=tuple(found),
        across_without_seen_items=tuple(across),
        references_without_seen_items=tuple(find_references(without, suite)),
    )
    return replace(report, seen_items_note=verdict_changes(report))


def _seen_seeds(report: Report) -> int:
    if not report.comparisons:
        return 0
    return min((row.n_seeds for row in report.rows if not row.deterministic), default=0)


def _with_groups(
    report: Report, asked: _Asked, measured: Sequence[Measured], prepared: FindPrepared | None
) -> Report:
    """Add the reference of each proposed label, and their comparison within groups of users."""
    references = find_references(measured, asked.suite)
    groups, lacking = find_user_groups(
        measured,
        references,
        asked.suite.primary_metric,
        prepared or (lambda _: None),
        asked.options.groups,
    )
    return replace(report, references=tuple(references), groups=tuple(groups), groups_lacking=lacking)


def _baseline(suite: SuiteRecord, options: ReportOptions) -> str | None:
    """Return the label to which percentages are relative, by the name under which it is printed."""
    if options.baseline is None:
        return None
    baseline = options.choices.rename.get(options.baseline, options.baseline)
    if baseline not in suite.labels:
        raise RequestError(
            f'The suite {suite.name} has no label "{baseline}".', did_you_mean(baseline, suite.labels)
        )
    return baseline


def _finished(suite: SuiteRecord, results: Results) -> tuple[list[FinishedTrial], list[SuiteTrial]]:
    """Return the finished trials, at least one, and the suite's trials that are not finished."""
    finished, missing = finished_trials(suite, results)
    if not finished:
        raise RequestError(
            f"Suite {suite.name} has {counted(len(missing), 'trial')}, none finished in {results.root}.",
            f"Run it: {command_to_run(suite, results)}\n"
            f"  Or see how far it is: {results.command('status', suite.name)}",
        )
    return finished, missing


def _metrics(suite: SuiteRecord, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the columns; refuse a name that is no metric, and suggest the nearest one."""
    usual = tuple(dict.fromkeys((*suite.protocol.metrics, suite.primary_metric)))
    for name in wanted:
        try:
            metric_function(name)
        except RequestError as error:
            known = {*usual, "mrr"} - {name}  # a plot draws its metric as the primary one
            right_kind = name.partition("@")[0] in {metric.partition("@")[0] for metric in known}
            near = "" if right_kind else f"{did_you_mean(name, known)} "
            raise RequestError(error.cause, f"{near}{error.remedy}") from None
    return tuple(dict.fromkeys(wanted)) or usual


def _datasets(measured: Sequence[Measured], metric: str) -> list[DatasetNote]:
    first = {entry.dataset: entry for entry in reversed(measured)}
    return [
        DatasetNote(_summary(measured, name), first[name].metrics[metric].users)
        for name in dict.fromkeys(entry.dataset for entry in measured)
    ]


def _summary(measured: Sequence[Measured], dataset: str) -> DatasetSummary:
    """Return the dataset as its first trial recorded it, with the notes of all trials.

    Trials of earlier versions have no notes, and the path of a local file where later ones have its name.
    """
    seen = [trial.record.dataset for entry in measured if entry.dataset == dataset for trial in entry.trials]
    notes = dict.fromkeys(note for summary in seen for note in summary.notes)
    return seen[0].model_copy(update={"notes": tuple(notes), "source": without_folders(seen[0].source)})
