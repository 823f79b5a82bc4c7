"""Check a report for what its reader must know; each check yields warnings of its own kind."""

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from lrbench.commands import command
from lrbench.data.catalogue_files import load_catalogue
from lrbench.data.own_files import is_users_own
from lrbench.report.collapses import collapses
from lrbench.report.findings import Comparison
from lrbench.report.label_metrics import Measured
from lrbench.report.missing import fewer_seeds, missing_trials
from lrbench.report.numbers import metric_title
from lrbench.report.report import QualityRow, Report
from lrbench.report.seen_items import WithoutSeenItems
from lrbench.report.step_findings import DepthFinding
from lrbench.report.tuning import unequal_tuning
from lrbench.report.warnings import ReportWarning, WarningKind
from lrbench.stats.contrast import ONE_USER
from lrbench.stats.user_metrics import MIN_SEEDS
from lrbench.store.commands import command_to_run
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord, SuiteTrial
from lrbench.wording import listed

__all__ = ["find_warnings"]

TIE_SHARE = 0.01
"""Above this share of targets that tie with another item, ranks are coarse."""

ALL_TIED = 0.99
"""Above this share of targets that tie with another item, metrics tell nothing about a model."""

ABOUT_ROWS = (WarningKind.SAME_TRIALS, WarningKind.NO_VARIATION)
"""Causes of a missing test that lie in two rows, so that the warning names them."""

MOST_REPEATING = 0.5
"""Above this share of targets that repeat the last input, copying that input beats learning."""

MOST_UNDATED = 0.9
"""Above this share of targets with the time of the last input, the order of the file decides the target."""


def find_warnings(
    report: Report,
    suite: SuiteRecord,
    results: Results,
    measured: Sequence[Measured],
    missing: Sequence[SuiteTrial],
) -> list[ReportWarning]:
    """Return all warnings, the gravest first.

    Args:
        report: the report without its warnings.
        suite: the suite's record.
        results: where its trials are.
        measured: labels with their metrics.
        missing: trials of the suite that are not finished.
    """
    run_all = command_to_run(suite, results, "all")
    return [
        *_rows_on_both_sides(suite),
        *_targets_that_tell_nothing(measured),
        *missing_trials(suite, results, missing, report.rows),
        *fewer_seeds(suite, measured),
        *_above_achievable(measured),
        *_not_testable(report.comparisons, suite, command_to_run(suite, results)),
        *unequal_tuning(suite, report.comparisons),
        *collapses(measured, suite.primary_metric),
        *_seen_items(report.without_seen_items),
        *_dependent(report.comparisons),
        *_depths(suite, report.depth_findings),
        *_within_seed_spread(report.rows),
        *_epoch_cap(measured),
        *_ties(measured, run_all),
        *_equal_titles(measured, suite.primary_metric),
        *_unequal_draws(measured),
        *_unverified(measured),
        *_unlike_runs(measured),
        *_unlike_code(measured, run_all),
    ]


def _rows_on_both_sides(suite: SuiteRecord) -> Iterator[ReportWarning]:
    """Warn of published splits that put overlapping rows of one account into training and test."""
    settings = suite.protocol.account_rows
    if settings is None or settings.disjoint:
        return
    for dataset in suite.datasets:
        cause = (
            f"On {dataset}, rows of one account are both in training and in test, and they overlap. "
            "Many test targets can be looked up in the account's training rows. "
            f"{command('inspect', dataset, '--protocol', suite.protocol.name)} shows what predictors without "
            "learning reach."
        )
        yield ReportWarning(WarningKind.SHARED_ROWS, cause, dataset=dataset)


def _targets_that_tell_nothing(measured: Sequence[Measured]) -> Iterator[ReportWarning]:
    """Warn of datasets on which no metric measures a recommender, whatever the model."""
    records = {entry.dataset: entry.trials[0].record for entry in measured}
    for dataset, record in records.items():
        look = (
            f"{command('inspect', dataset, '--protocol', record.protocol.name)} shows what recommenders "
            "without learning reach"
        )
        if (share := record.repeating_targets or 0.0) > MOST_REPEATING:
            cause = (
                f"On {dataset}, {share:.0%} of the test targets repeat the last item of the history; {look}."
            )
            yield ReportWarning(WarningKind.REPEATING_TARGETS, cause, dataset=dataset)
        if (share := record.undated_targets or 0.0) > MOST_UNDATED:
            cause = (
                f"On {dataset}, {share:.0%} of the test targets have the time of their last input, so their "
                f"order is that of the file; {look}."
            )
            yield ReportWarning(WarningKind.UNDATED_TARGETS, cause, dataset=dataset)


def _above_achievable(measured: Sequence[Measured]) -> Iterator[ReportWarning]:
    """Warn of a Recall@10 on synthetic data that exceeds the best achievable one by more than chance."""
    for entry in measured:
        best, values = entry.trials[0].record.dataset.best_recall_at_10, entry.metrics.get("recall@10")
        if best is None or values is None:
            continue
        allowance = 3 * math.sqrt(best * (1 - best) / values.users)
        if values.mean > best + allowance:
            cause = (
                f"{entry.label} on {entry.dataset} has Recall@10 {values.mean:.4f}, more than three standard "
                f"errors above the best achievable {best:.4f}."
            )
            yield ReportWarning(WarningKind.ABOVE_ACHIEVABLE, cause, label=entry.label, dataset=entry.dataset)


def _not_testable(comparisons: Sequence[Comparison], suite: SuiteRecord, run: str) -> Iterator[ReportWarning]:
    """Warn of comparisons without a test, one warning for each cause and remedy.

    Args:
        comparisons: the declared ones.
        suite: the suite's record.
        run: the command that runs what is missing.
    """
    untestable: dict[tuple[WarningKind, str], list[Comparison]] = {}
    for comparison in comparisons:
        if not comparison.contrast.testable:
            alike = _kind_of_untestable(comparison, suite), comparison.contrast.reason
            untestable.setdefault(alike, []).append(comparison)
    for (kind, reason), those in untestable.items():
        pairs = dict.fromkeys(f"{comparison.proposed} against {comparison.baseline}" for comparison in those)
        which = f" ({listed(list(pairs))})" if kind in ABOUT_ROWS else ""
        count = f"{len(those)} of {len(comparisons)} comparisons are not testable"
        command = run if kind is WarningKind.AWAITS_RUNS else ""
        yield ReportWarning(kind, f"{count}{which}: {reason}.", command)


def _kind_of_untestable(comparison: Comparison, suite: SuiteRecord) -> WarningKind:
    if comparison.same_ranks:
        return WarningKind.SAME_TRIALS
    if comparison.contrast.constant:
        return WarningKind.NO_VARIATION
    if comparison.contrast.reason == ONE_USER:
        return WarningKind.ONE_USER
    enough = len(suite.seeds_for(comparison.dataset)) >= MIN_SEEDS
    return WarningKind.AWAITS_RUNS if enough else WarningKind.NOT_TESTABLE


def _seen_items(found: Sequence[WithoutSeenItems]) -> Iterator[ReportWarning]:
    """Warn of verdicts that depend on whether items that users have seen are ranked."""
    changed: dict[tuple[str, str], dict[str, None]] = {}
    for each in found:
        if each.depends:
            changed.setdefault((each.dataset, each.proposed), {})[each.baseline] = None
    for (dataset, label), baselines in changed.items():
        cause = (
            f"The verdict on {label} against {listed(list(baselines))} on {dataset} changes without items "
            "that users have seen."
        )
        yield ReportWarning(WarningKind.SEEN_ITEMS, cause, label=label, dataset=dataset)


def _dependent(comparisons: Sequence[Comparison]) -> Iterator[ReportWarning]:
    for comparison in comparisons:
        if comparison.variance is not None and comparison.variance.dependent:
            cause = (
                f"{comparison.proposed} and {comparison.baseline} on {comparison.dataset} were tested as "
                "independent runs, but their differences vary less between users than such runs allow."
            )
            yield ReportWarning(
                WarningKind.DEPENDENT_RUNS, cause, label=comparison.baseline, dataset=comparison.dataset
            )


def _depths(suite: SuiteRecord, findings: Sequence[DepthFinding]) -> Iterator[ReportWarning]:
    """Warn of rows whose steps validation would leave out. Steps that read noise are not meant to help."""
    noise = {label for label, record in suite.controls.items() if record.control == "noise-only"}
    for found in findings:
        if found.chosen == 0 < found.reported and found.label not in noise:
            cause = f"Validation would choose depth 0 for {found.label} on {found.dataset}."
            yield ReportWarning(WarningKind.DEPTH_ZERO, cause, label=found.label, dataset=found.dataset)


def _within_seed_spread(rows: Sequence[QualityRow]) -> Iterator[ReportWarning]:
    for dataset in dict.fromkeys(row.dataset for row in rows):
        here = [row for row in rows if row.dataset == dataset]
        close = []
        for metric in dict.fromkeys(row.metric for row in here):
            best = next(row for row in here if row.metric == metric and row.best)
            second = next((row for row in here if row.metric == metric and row.second), None)
            if second is not None and best.mean - second.mean < max(best.sd, second.sd):
                close.append(metric_title(metric))
        if close:
            cause = (
                f"On {dataset} the best label leads the second by less than one seed SD in {listed(close)}."
            )
            yield ReportWarning(WarningKind.WITHIN_SEED_SPREAD, cause, dataset=dataset)


def _epoch_cap(measured: Sequence[Measured]) -> Iterator[ReportWarning]:
    for entry in measured:
        stages = [stage for trial in entry.trials for stage in trial.record.stages]
        for name in dict.fromkeys(stage.name for stage in stages if stage.stopped == "epoch-cap"):
            capped = [stage for stage in stages if stage.name == name and stage.stopped == "epoch-cap"]
            cause = (
                f"{entry.label} on {entry.dataset}: {len(capped)} of {len(entry.trials)} runs ended stage "
                f"{name} at the cap of {max(stage.epochs for stage in capped)} epochs."
            )
            yield ReportWarning(WarningKind.EPOCH_CAP, cause, label=entry.label, dataset=entry.dataset)


def _ties(measured: Sequence[Measured], command: str) -> Iterator[ReportWarning]:
    """Warn of ties; known ties of a deterministic model are normal, and its metrics are exact."""
    for entry in measured:
        share = max(trial.record.tie_share for trial in entry.trials)
        if share <= TIE_SHARE:
            continue
        if entry.trials[0].record.params.get("ranking") == "beam":
            cause = (
                f"{entry.label} on {entry.dataset}: {share:.0%} of the targets tie with other items, because "
                "its beam search did not find them or items have equal titles."
            )
            yield ReportWarning(WarningKind.BEYOND_BEAM, cause, label=entry.label, dataset=entry.dataset)
            continue
        cause = f"{entry.label} on {entry.dataset} gives {share:.0%} of the targets another item's score."
        if not entry.ties_known:
            yield ReportWarning(WarningKind.TIES_UNKNOWN, cause, command, entry.label, entry.dataset)
        elif share > ALL_TIED:
            yield ReportWarning(WarningKind.ALL_TIED, cause, label=entry.label, dataset=entry.dataset)
        elif not entry.deterministic:
            yield ReportWarning(WarningKind.TIES, cause, label=entry.label, dataset=entry.dataset)


def _equal_titles(measured: Sequence[Measured], metric: str) -> Iterator[ReportWarning]:
    """Warn where a model that generates titles would score more if a hit on an equal title counted."""
    for entry in measured:
        records = [trial.record for trial in entry.trials if metric in trial.record.title_metrics]
        if not records:
            continue
        item = fmean(record.metrics["test"][str(record.depth)][metric] for record in records)
        title = fmean(record.title_metrics[metric] for record in records)
        if title > item:
            cause = (
                f"{entry.label} on {entry.dataset}: {metric_title(metric)} is {item:.4f}; it would be "
                f"{title:.4f} if a hit on any item with the target's title counted."
            )
            yield ReportWarning(WarningKind.EQUAL_TITLES, cause, label=entry.label, dataset=entry.dataset)


def _unequal_draws(measured: Sequence[Measured]) -> Iterator[ReportWarning]:
    for entry in measured:
        draws = sorted({trial.record.draws for trial in entry.trials})
        if len(draws) > 1:
            numbers = listed([str(number) for number in draws])
            cause = f"Runs of {entry.label} on {entry.dataset} were ranked with {numbers} draws of the noise."
            yield ReportWarning(WarningKind.UNEQUAL_DRAWS, cause, label=entry.label, dataset=entry.dataset)


def _unverified(measured: Sequence[Measured]) -> Iterator[ReportWarning]:
    summaries = {entry.dataset: entry.trials[0].record.dataset for entry in measured}
    for summary in summaries.values():
        if not summary.verified and not summary.synthetic and not is_users_own(summary.edition):
            cause = f"The source of {summary.name} was not compared with a known checksum."
            official = command("fetch", summary.name, "--from", _official_address(summary.name))
            yield ReportWarning(WarningKind.UNVERIFIED_SOURCE, cause, official)


def _official_address(dataset: str) -> str:
    """Return where the catalogue says that a dataset is; ``URL`` where it does not say.

    Without an address, ``lrbench fetch`` keeps the file that is here.
    """
    known = load_catalogue().datasets.get(dataset)
    return next((url for source in known.sources for url in source.urls), "URL") if known else "URL"


def _unlike_runs(measured: Sequence[Measured]) -> Iterator[ReportWarning]:
    """Warn of trials that ran on different kinds of machines."""
    records = [trial.record for entry in measured for trial in entry.trials]
    devices = sorted({record.device for record in records})
    if len(devices) > 1:
        yield ReportWarning(
            WarningKind.DIFFERENT_DEVICES, f"Trials ran on different devices: {listed(devices)}."
        )
    threads = sorted({record.threads for record in records if record.device == "cpu"})
    if len(threads) > 1:
        counts = listed([str(count) for count in threads])
        yield ReportWarning(
            WarningKind.DIFFERENT_THREADS, f"Trials ran with different numbers of threads: {counts}."
        )


def _unlike_code(measured: Sequence[Measured], command: str) -> Iterator[ReportWarning]:
    """Warn of trials that were made by different versions of the code."""
    made_by = [trial.record.versions for entry in measured for trial in entry.trials]
    for package in ("lrbench", "torch"):
        versions = sorted({versions.get(package, "unknown") for versions in made_by})
        if len(versions) > 1:
            cause = f"Trials were made with different versions of {package}: {listed(versions)}."
            yield ReportWarning(WarningKind.DIFFERENT_VERSIONS, cause, command)
    commits = {versions.get("commit") for versions in made_by}
    if len(commits) > 1:
        unknown = ", one of them unknown" if None in commits else ""
        cause = f"Trials were made at {len(commits)} different commits of lrbench{unknown}."
        yield ReportWarning(WarningKind.DIFFERENT_COMMITS, cause, command)
