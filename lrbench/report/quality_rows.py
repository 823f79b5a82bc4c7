"""The rows of the quality tables: means over seeds, the best, the second, and what ties with the best."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lrbench.report.findings import ALPHA, Comparison
from lrbench.report.label_metrics import Measured
from lrbench.report.pairs import Pair
from lrbench.report.report import QualityRow
from lrbench.stats.best import tied_with_best

__all__ = ["make_rows", "with_differences"]


def make_rows(
    measured: Sequence[Measured], metrics: Sequence[str], twins: Mapping[tuple[str, str], str]
) -> list[QualityRow]:
    """Make one row per dataset, label and metric, in this order.

    The best and the second are found by unrounded means; labels with equal means share the place. Labels with
    the same ranks count as one in every rank and test.

    Args:
        measured: labels with their metrics.
        metrics: columns.
        twins: from :func:`find_twins`.
    """
    rows = []
    for dataset in dict.fromkeys(entry.dataset for entry in measured):
        entries = [entry for entry in measured if entry.dataset == dataset]
        columns = [_column(entries, metric, twins) for metric in metrics]  # (metrics, labels)
        rows += [row for of_label in zip(*columns, strict=True) for row in of_label]
    return rows


def with_differences(
    rows: Sequence[QualityRow], comparisons: Sequence[Comparison], baseline: str | None
) -> list[QualityRow]:
    """Add the difference of each row from the baseline, as the comparisons have it."""
    known = {
        (each.dataset, each.metric, each.proposed): each.relative.value
        for each in comparisons
        if each.baseline == baseline
    }
    return [replace(row, relative=known.get((row.dataset, row.metric, row.label))) for row in rows]


def _column(
    entries: Sequence[Measured], metric: str, twins: Mapping[tuple[str, str], str]
) -> list[QualityRow]:
    """Make the rows of all labels of one dataset by one metric."""
    shown = [entry for entry in entries if (entry.dataset, entry.label) not in twins]
    means = [entry.metrics[metric].mean for entry in shown]
    distinct = sorted(set(means), reverse=True)
    second = distinct[1] if len(distinct) > 1 else None
    ties = tied_with_best(
        [entry.metrics[metric] for entry in shown],
        ALPHA,
        lambda first, other: Pair(shown[first], shown[other]).contrast(metric),
    )
    tied = {entry.label: tie for entry, tie in zip(shown, ties, strict=True)}
    rows = []
    for entry in entries:
        value, same_as = entry.metrics[metric], twins.get((entry.dataset, entry.label), "")
        rows.append(
            QualityRow(
                dataset=entry.dataset,
                label=entry.label,
                metric=metric,
                mean=value.mean,
                sd=value.seed_sd,
                n_seeds=value.seeds,
                n_users=value.users,
                rank=1 + sum(mean > value.mean for mean in means),
                best=value.mean == distinct[0],
                second=value.mean == second,
                ties_with_best=tied[same_as or entry.label],
                depth=entry.depth,
                deterministic=entry.deterministic,
                same_as=same_as,
            )
        )
    return rows
