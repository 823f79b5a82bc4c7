"""The report as tidy CSV: unrounded, empty where a value is not known.

By default there is one line per dataset, label and metric. A row's own numbers come first, then its cost,
then its software and devices. Lines of the primary metric also have the comparison of each proposed label
with the row. The names of those columns end in ``:`` and the proposed label. ``--tables`` writes one table
instead. Lines with verdicts say whether these are final: ``interim``, ``exploratory``, and in ``awaited`` how
many comparisons of the family wait for runs.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from lrbench.errors import RequestError
from lrbench.report.findings import Comparison
from lrbench.report.formats.fields import comparison_fields, cost_fields, seen_items_fields
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.text import spreadsheet_text
from lrbench.wording import listed

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
    "awaited",
    "verdict",
)


class Csv:
    """Comma-separated values with a header line."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the table.

        Raises:
            RequestError: the layout asks for several tables, or for one that has no tidy form.
        """
        tables = () if layout is None else layout.tables
        if len(tables) > 1 or not {*tables} <= TIDY.keys():
            raise RequestError(
                f"A CSV file holds one table, not {listed(list(tables))}.",
                f"Choose one with --tables: {', '.join(TIDY)}.",
            )
        lines = list(TIDY[tables[0]](report) if tables else _rows(report))
        columns = dict.fromkeys(name for line in lines for name in line)
        file = io.StringIO()
        writer = csv.DictWriter(file, fieldnames=list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _written(value) for name, value in line.items()} for line in lines)
        return file.getvalue()


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    costs = {(cost.dataset, cost.label): cost for cost in report.costs}
    origin = _origin(report)
    for quality in _quality(report):
        dataset, label, metric = (quality[name] for name in ("dataset", "label", "metric"))
        line = quality | cost_fields(costs[dataset, label]) | origin
        for proposed in report.proposed:
            line |= _comparison_columns(report, (dataset, metric, proposed, label))
        yield line


def _origin(report: Report) -> dict[str, str]:
    """Return the software and devices of the trials; several versions are joined by ``+``."""
    origin = report.provenance
    versions = {f"version:{name}": "+".join(found) for name, found in origin.versions.items()}
    return versions | {"devices": "+".join(origin.devices), "ended": origin.ended.isoformat()}


def _quality(report: Report) -> Iterator[dict[str, Any]]:
    fingerprints = {note.summary.name: note.summary.fingerprint for note in report.datasets}
    for row in report.rows:
        yield {
            "suite": report.suite,
            "protocol": report.protocol.name,
            "masked": report.masked,
            **_standing(report),
            **vars(row),
            "fingerprint": fingerprints[row.dataset],
        }


def _standing(report: Report) -> dict[str, bool]:
    """Say whether the verdicts of a report are final and declared."""
    return {"interim": report.interim, "exploratory": report.exploratory}


def _comparisons(report: Report) -> Iterator[dict[str, Any]]:
    for comparison in (*report.comparisons, *report.descriptive):
        yield _standing(report) | _flat(comparison_fields(comparison))


def _seen_items(report: Report) -> Iterator[dict[str, Any]]:
    return (_standing(report) | _flat(seen_items_fields(found)) for found in report.without_seen_items)


def _depths(report: Report) -> Iterator[dict[str, Any]]:
    return (asdict(point) for point in report.depths)


def _costs(report: Report) -> Iterator[dict[str, Any]]:
    return ({"dataset": cost.dataset, "label": cost.label, **cost_fields(cost)} for cost in report.costs)


TIDY: Mapping[str, Callable[[Report], Iterator[dict[str, Any]]]] = {
    "quality": _quality,
    "comparison": _comparisons,
    "seen-items": _seen_items,
    "cost": _costs,
    "depth": _depths,
}
"""Name of a section → its lines, for the tables that ``--tables`` can write."""


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested values; their names become ``outer.inner``."""
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": part for inner, part in value.items()}
        else:
            flat[name] = value
    return flat


def _comparison_columns(report: Report, key: tuple[str, str, str, str]) -> dict[str, Any]:
    found: Comparison | None = next(
        (c for c in report.comparisons if (c.dataset, c.metric, c.proposed, c.baseline) == key), None
    )
    fields = {} if found is None else comparison_fields(found)
    return {f"{name}:{key[2]}": fields.get(name) for name in COMPARED}


def _written(value: Any) -> Any:
    """Write a value: empty if it is not known, booleans as in JSON, no text that a spreadsheet would run."""
    if isinstance(value, str):
        return spreadsheet_text(value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return str(value).lower() if isinstance(value, bool) else value
