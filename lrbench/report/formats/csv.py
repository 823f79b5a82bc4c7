"""The report as tidy CSV: one line per dataset, label and metric, unrounded, empty where not known.

Behind a row's own numbers stand its cost and, on the lines of the primary metric, the comparison of each
proposed label with it; those columns end in ``:`` and the proposed label.
"""

import csv
import io
import math
from typing import Any

from lrbench.report.formats.json import comparison_fields
from lrbench.report.layout import Layout
from lrbench.report.report import Comparison, Cost, Report
from lrbench.text import spreadsheet_text

__all__ = ["Csv"]

COMPARED = (
    "difference",
    "relative",
    "ci_low",
    "ci_high",
    "t",
    "df",
    "p",
    "p_holm",
    "effect_size",
    "minimum_detectable",
    "verdict",
)


class Csv:
    """Comma-separated values with a header line."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the table."""
        costs = {(cost.dataset, cost.label): cost for cost in report.costs}
        lines: list[dict[str, Any]] = []
        for row in report.rows:
            line = {"suite": report.suite, "protocol": report.protocol.name, "masked": report.masked}
            line |= vars(row) | _cost_fields(costs[row.dataset, row.label])
            for proposed in report.proposed:
                key = (row.dataset, row.metric, proposed, row.label)
                line |= _comparison_columns(report, key)
            lines.append(line)
        file = io.StringIO()
        writer = csv.DictWriter(file, fieldnames=list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _written(value) for name, value in line.items()} for line in lines)
        return file.getvalue()


def _comparison_columns(report: Report, key: tuple[str, str, str, str]) -> dict[str, Any]:
    found: Comparison | None = next(
        (c for c in report.comparisons if (c.dataset, c.metric, c.proposed, c.baseline) == key), None
    )
    fields = {} if found is None else comparison_fields(found)
    return {f"{name}:{key[2]}": fields.get(name) for name in COMPARED}


def _cost_fields(cost: Cost) -> dict[str, Any]:
    return {
        "parameters": cost.parameters,
        "optimiser_steps": cost.steps,
        "epochs": cost.epochs,
        "train_seconds": cost.train_seconds,
        "flops_per_user": cost.flops_per_user,
        "peak_memory_bytes": cost.peak_memory_bytes,
        "stages": "+".join(stage.name for stage in cost.stages),
    }


def _written(value: Any) -> Any:
    """Empty for what is not known; booleans as in JSON; no text that a spreadsheet would run."""
    if isinstance(value, str):
        return spreadsheet_text(value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return str(value).lower() if isinstance(value, bool) else value
