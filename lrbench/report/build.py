"""From a suite's record and its stored ranks to a report: everything is computed here, once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lrbench.errors import RequestError, did_you_mean
from lrbench.metrics import metric_function
from lrbench.report.across import combine_datasets
from lrbench.report.answers import make_answers
from lrbench.report.captions import caption_sentences
from lrbench.report.checks import find_warnings, lacks_seeds
from lrbench.report.choices import Choices, choose, rename_rows, shown_names
from lrbench.report.comparisons import declared_comparisons, descriptive_comparisons
from lrbench.report.costs import make_costs
from lrbench.report.curves import make_curves
from lrbench.report.depths import measure_depths
from lrbench.report.families import declared_families, find_references
from lrbench.report.group_table import GroupTable
from lrbench.report.interventions import find_interventions
from lrbench.report.label_metrics import Measured, measure
from lrbench.report.pairs import find_twins
from lrbench.report.provenance import make_provenance
from lrbench.report.published import (
    PublishedNumbers,
    published_sources,
    published_values,
    shipped_numbers,
)
from lrbench.report.quality_rows import make_rows
from lrbench.report.recoveries import find_recoveries
from lrbench.report.report import DatasetNote, Report
from lrbench.report.user_groups import FindPrepared, find_user_groups
from lrbench.store.commands import command, command_to_run
from lrbench.store.declarations import read_looks
from lrbench.store.frames import finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord
from lrbench.store.trials import DatasetSummary

__all__ = ["ReportOptions", "build_report"]


@dataclass(frozen=True)
class ReportOptions:
    """What a person may choose about a report."""

    metrics: tuple[str, ...] = ()
    """Columns; none: those of the protocol and the primary metric."""

    baseline: str | None = None
    """Show percentages against this label."""

    masked: bool | None = None
    """Leave items of the user's history out of the ranks; none: as the protocol says."""

    digits: int = 4
    """Decimals of metrics in tables."""

    choices: Choices = field(default_factory=Choices)
    """Which rows and datasets to show, in which order, under which names."""

    groups: GroupTable | None = None
    """Further groups of users, from a table of the user's own."""

    published: PublishedNumbers | None = None
    """Published numbers to print beside; none: those that ship with lrbench."""

    command: str = ""
    """The command that makes the report, for its provenance."""


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
        prepared: gives prepared datasets, for groups of users; none: there are no groups.

    Raises:
        RequestError: an unknown metric or label, or no trial of the suite is finished.
        CheckError: trials of one dataset were ranked on different targets.
    """
    options = options or ReportOptions()
    choices = options.choices
    labels = shown_names(suite.labels, choices.only, choices.hide, "row")
    suite = rename_rows(suite, choices.rename)
    baseline = None if options.baseline is None else choices.rename.get(options.baseline, options.baseline)
    metrics = _metrics(suite, options.metrics)
    if baseline is not None and baseline not in suite.labels:
        raise RequestError(
            f'The suite {suite.name} has no label "{baseline}".', did_you_mean(baseline, suite.labels)
        )
    finished, missing = finished_trials(suite, results)
    if not finished:
        raise RequestError(
            f"None of the {len(missing)} trials of suite {suite.name} is finished in {results.root}.",
            f"Run it: {command_to_run(suite.name, results)}\n"
            f"  Or see how far it is: {command('status', suite.name, results)}",
        )
    masked = suite.protocol.mask_seen if options.masked is None else options.masked
    computed = tuple(dict.fromkeys((*metrics, suite.primary_metric)))
    measured = measure(finished, suite.datasets, suite.labels, computed, masked)
    rows = make_rows(measured, metrics, find_twins(measured, list(suite.controls)))
    declared = declared_comparisons(measured, suite)
    depths, findings = measure_depths(measured, suite.primary_metric, masked)
    references = find_references(measured, suite, baseline)
    groups, lacking = find_user_groups(
        measured, references, suite.primary_metric, masked, prepared or (lambda _: None), options.groups
    )
    numbers = options.published or shipped_numbers()
    published = tuple(published_values(measured, numbers.value))
    report = Report(
        suite=suite.name,
        protocol=suite.protocol,
        masked=masked,
        primary_metric=suite.primary_metric,
        metrics=metrics,
        datasets=tuple(_datasets(measured, suite.primary_metric)),
        labels=suite.labels,
        proposed=suite.proposed,
        baseline=baseline,
        rows=tuple(rows),
        comparisons=tuple(declared),
        descriptive=tuple(descriptive_comparisons(measured, suite, baseline, metrics)),
        families=tuple(declared_families(suite, declared)),
        across=tuple(combine_datasets(declared)),
        margin=suite.margin,
        interim=bool(missing) or lacks_seeds(suite),
        declarations=suite.declarations,
        against=suite.against,
        looks=tuple(read_looks(results.looks(suite.name))),
        references=tuple(references),
        groups=tuple(groups),
        groups_lacking=lacking,
        costs=tuple(make_costs(measured)),
        depths=tuple(depths),
        depth_findings=tuple(findings),
        interventions=tuple(find_interventions(measured, suite.primary_metric, masked)),
        recoveries=tuple(find_recoveries(measured, suite.primary_metric)),
        published=published,
        published_sources=tuple(published_sources(published, numbers.sources)),
        controls=suite.controls,
        matches=suite.matches,
        digits=options.digits,
        provenance=make_provenance(finished, suite.text, options.command),
        curves=tuple(make_curves(finished)),
        rows_of_suite=len(suite.labels),
        warnings=tuple(find_warnings(suite, results, measured, missing, rows, declared, findings)),
    )
    report = replace(report, caption=caption_sentences(report), answers=tuple(make_answers(report)))
    datasets = [note.summary.name for note in report.datasets]
    return choose(
        report,
        labels=[choices.rename.get(label, label) for label in labels],
        datasets=shown_names(datasets, choices.datasets, (), "dataset"),
        sort=choices.sort,
    )


def _metrics(suite: SuiteRecord, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the columns; a name that is no metric is answered with the nearest one."""
    usual = tuple(dict.fromkeys((*suite.protocol.metrics, suite.primary_metric)))
    for name in wanted:
        try:
            metric_function(name)
        except RequestError as error:
            raise RequestError(error.cause, f"{did_you_mean(name, (*usual, 'mrr'))} {error.remedy}") from None
    return tuple(dict.fromkeys(wanted)) or usual


def _datasets(measured: Sequence[Measured], metric: str) -> list[DatasetNote]:
    first = {entry.dataset: entry for entry in reversed(measured)}
    return [
        DatasetNote(_summary(measured, name), first[name].metrics[metric].users)
        for name in dict.fromkeys(entry.dataset for entry in measured)
    ]


def _summary(measured: Sequence[Measured], dataset: str) -> DatasetSummary:
    """Return the dataset as its first trial saw it, with the notes of all: earlier versions stored none."""
    seen = [trial.record.dataset for entry in measured if entry.dataset == dataset for trial in entry.trials]
    notes = dict.fromkeys(note for summary in seen for note in summary.notes)
    return seen[0].model_copy(update={"notes": tuple(notes)})
