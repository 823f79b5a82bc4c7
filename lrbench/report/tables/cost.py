"""The cost of each label beside its quality, one table per dataset."""

import math
from collections.abc import Mapping, Sequence

from lrbench.report.numbers import UNKNOWN, amount, metric_title
from lrbench.report.report import Cost, Report
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["cost_section"]

COLUMNS = ("Model", "weights", "stages", "epochs", "steps", "training", "FLOPs/user", "memory")
TRAINING = COLUMNS.index("training")
UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
LARGEST = 1000
"""A column of times has a larger unit if its numbers would reach this."""

REUSED = "r"
BATCHES = (1, 256)
LATENCY = (
    "1,000 users by 1, by 256: time to encode and score 1,000 users in batches of 1 and of 256, at the depth "
    "of the other tables, on the device of the trial."
)
NOTES = (
    "Means over runs; memory is the largest of them; steps are those of the optimiser.",
    "r: a stage was trained in another trial and reused; its time is that of the training there.",
    "FLOPs/user: operations of matrix products only.",
    "–: no trained weights, or no matrix product. Such a model costs memory and table look-ups.",
)


def cost_section(report: Report) -> Section:
    """Tabulate costs; the last column is the primary metric, or the first metric if that is not shown."""
    metric = report.primary_metric if report.primary_metric in report.metrics else report.metrics[0]
    quality = {(row.dataset, row.label): row.mean for row in report.rows if row.metric == metric}
    batches = [size for size in BATCHES if any(size in cost.latency for cost in report.costs)]
    of_training = _unit([cost.train_seconds for cost in report.costs], "s")
    of_batches = {size: _unit([cost.latency.get(size, 0.0) for cost in report.costs]) for size in batches}
    columns = (
        *(f"training ({of_training})" if name == "training" else name for name in COLUMNS),
        *(f"1,000 users by {size} ({unit})" for size, unit in of_batches.items()),
        metric_title(metric),
    )
    notes = (*NOTES, LATENCY) if batches else NOTES
    tables = (
        Table(
            f"Cost on {note.summary.name}",
            tuple(
                (
                    *_costs(cost, of_training, of_batches),
                    Cell(report.style.plain(quality[cost.dataset, cost.label])),
                )
                for cost in report.costs
                if cost.dataset == note.summary.name
            ),
        )
        for note in report.datasets
    )
    return Section("Cost", columns, tuple(tables), notes, words=("stages",))


def _costs(cost: Cost, of_training: str, of_batches: Mapping[int, str]) -> tuple[Cell, ...]:
    texts = (
        cost.label,
        amount(cost.parameters or math.nan),
        " + ".join(stage.name for stage in cost.stages),
        f"{cost.epochs:.0f}",
        amount(cost.steps),
        _time(cost.train_seconds, of_training),
        amount(cost.flops_per_user),
        amount(cost.peak_memory_bytes, "B"),
        *(_time(cost.latency.get(size, math.nan), unit) for size, unit in of_batches.items()),
    )
    reused = any(stage.reused for stage in cost.stages)
    return tuple(
        Cell(text, marks=REUSED if reused and place == TRAINING else "") for place, text in enumerate(texts)
    )


def _unit(seconds: Sequence[float], smallest: str = "ms") -> str:
    """Return the unit of a column of times."""
    units = list(UNITS)[list(UNITS).index(smallest) :]
    return next((unit for unit in units if max(seconds) < LARGEST * UNITS[unit]), units[-1])


def _time(seconds: float, unit: str) -> str:
    """Write a time with three significant digits, never as a power of ten."""
    if math.isnan(seconds):
        return UNKNOWN
    value = seconds / UNITS[unit]
    if value < 0.001:
        return "< 0.001"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
