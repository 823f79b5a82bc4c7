"""The rows of the quality tables: means over seeds, the best and the second, and who ties with the best."""

from collections.abc import Sequence

from lrbench.report.label_metrics import Measured
from lrbench.report.report import ALPHA, Row
from lrbench.stats.best import tied_with_best

__all__ = ["make_rows"]


def make_rows(measured: Sequence[Measured], metrics: Sequence[str]) -> list[Row]:
    """Make one row per dataset, label and metric, in this order.

    Best and second go by unrounded means, and equal means share them.
    """
    rows = []
    for dataset in dict.fromkeys(entry.dataset for entry in measured):
        entries = [entry for entry in measured if entry.dataset == dataset]
        columns = [_column(entries, metric) for metric in metrics]  # (metrics, labels)
        rows += [row for of_label in zip(*columns, strict=True) for row in of_label]
    return rows


def _column(entries: Sequence[Measured], metric: str) -> list[Row]:
    """All labels of one dataset by one metric."""
    values = [entry.metrics[metric] for entry in entries]
    means = [value.mean for value in values]
    distinct = sorted(set(means), reverse=True)
    second = distinct[1] if len(distinct) > 1 else None
    ties = tied_with_best(values, ALPHA)
    return [
        Row(
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
            ties_with_best=tied,
            depth=entry.depth,
            deterministic=entry.deterministic,
        )
        for entry, value, tied in zip(entries, values, ties, strict=True)
    ]
