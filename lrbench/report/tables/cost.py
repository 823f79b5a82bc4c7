"""The cost of each label beside its quality, one table per dataset."""

import math
from collections.abc import Sequence

from lrbench.report.numbers import UNKNOWN, amount, metric_title
from lrbench.report.report import Cost, Report
from lrbench.report.tables.table import Cell, Section, Table
from lrbench.wording import duration

__all__ = ["cost_section"]

COLUMNS = ("Model", "weights", "stages", "epochs", "steps", "training", "FLOPs/user", "memory")
TRAINING = COLUMNS.index("training")
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
    columns = (*COLUMNS, *(f"1,000 users by {size}" for size in batches), metric_title(metric))
    notes = (*NOTES, LATENCY) if batches else NOTES
    tables = (
        Table(
            f"Cost on {note.summary.name}",
            tuple(
                (*_costs(cost, batches), Cell(report.style.plain(quality[cost.dataset, cost.label])))
                for cost in report.costs
                if cost.dataset == note.summary.name
            ),
        )
        for note in report.datasets
    )
    return Section("Cost", columns, tuple(tables), notes, words=("stages",))


def _costs(cost: Cost, batches: Sequence[int]) -> tuple[Cell, ...]:
    texts = (
        cost.label,
        amount(cost.parameters or math.nan),
        " + ".join(stage.name for stage in cost.stages),
        f"{cost.epochs:.0f}",
        amount(cost.steps),
        duration(cost.train_seconds),
        amount(cost.flops_per_user),
        amount(cost.peak_memory_bytes, "B"),
        *(_short_time(cost.latency.get(size, math.nan)) for size in batches),
    )
    reused = any(stage.reused for stage in cost.stages)
    return tuple(
        Cell(text, marks=REUSED if reused and place == TRAINING else "") for place, text in enumerate(texts)
    )


def _short_time(seconds: float) -> str:
    if math.isnan(seconds):
        return UNKNOWN
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
