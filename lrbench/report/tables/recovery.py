"""How much of the cost of sharing each row wins back, one table per dataset."""

import math

from lrbench.report.findings import RecoveryFinding
from lrbench.report.numbers import UNKNOWN, interval, metric_title, signed
from lrbench.report.report import Report
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["recovery_section"]

COLUMNS = ("Model", "plain model", "members", "itself", "plain", "unmerged", "recovered", "95 % interval")


def recovery_section(report: Report) -> Section:
    """Tabulate the recovered parts; the notes say why an interval is missing."""
    datasets = dict.fromkeys(finding.dataset for finding in report.recoveries)
    metric = metric_title(report.primary_metric)
    tables = tuple(
        Table(
            f"{metric} recovered of the cost of sharing on {dataset}",
            tuple(_row(report, finding) for finding in report.recoveries if finding.dataset == dataset),
        )
        for dataset in datasets
    )
    reasons = dict.fromkeys(
        f"{finding.label} on {finding.dataset} has no interval: {finding.recovery.reason}."
        for finding in report.recoveries
        if finding.recovery.reason
    )
    notes = (
        "recovered: (itself − plain) / (unmerged − plain), for the same users and targets. 0 is no better "
        "than the plain model on shared accounts, 1 as if nobody shared.",
        "unmerged: the plain model on users by themselves. The interval is Fieller's, with users and "
        "training runs as random.",
        *reasons,
    )
    return Section("Recovery", COLUMNS, tables, notes, words=("plain model",))


def _row(report: Report, finding: RecoveryFinding) -> tuple[Cell, ...]:
    found = finding.recovery
    unknown = math.isnan(found.share) or found.costs_nothing  # a part of nothing
    means = (finding.mean, finding.merged_mean, finding.unmerged_mean)
    texts = (
        finding.label,
        finding.merged,
        finding.size.removeprefix("fixed-"),
        *map(report.style.plain, means),
        UNKNOWN if unknown else signed(found.share, 2),
        UNKNOWN if found.reason else interval(found.low, found.high, 2),
    )
    return tuple(Cell(text) for text in texts)
