"""The report as JSON, unrounded; a value that is not known is null. Other programs rely on the keys."""

import json
import math
from dataclasses import asdict
from typing import Any

from lrbench.errors import RequestError
from lrbench.report.formats.fields import (
    comparison_fields,
    depth_fields,
    group_fields,
    intervention_fields,
    provenance_fields,
    seen_items_fields,
    variance_fields,
)
from lrbench.report.layout import Layout
from lrbench.report.report import Report

__all__ = ["Json"]


def _known(value: Any) -> Any:
    """Replace infinite numbers and NaN by `None`, at any depth."""
    if isinstance(value, dict):
        return {key: _known(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_known(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Json:
    """One object per report."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the object, indented.

        Raises:
            RequestError: the layout asks for some tables only.
        """
        if layout is not None and layout.tables:
            raise RequestError("JSON holds all tables.", "Leave --tables and --answer out.")
        content = {
            "suite": report.suite,
            "protocol": report.protocol.name,
            "protocol_fields": report.protocol.model_dump(mode="json"),
            "masked": report.masked,
            "primary_metric": report.primary_metric,
            "metrics": report.metrics,
            "proposed": report.proposed,
            "baseline": report.baseline,
            "datasets": [
                {**note.summary.model_dump(mode="json"), "n_users": note.n_users} for note in report.datasets
            ],
            "rows": [asdict(row) for row in report.rows],
            "comparisons": [comparison_fields(comparison) for comparison in report.comparisons],
            "without_seen_items": [seen_items_fields(found) for found in report.without_seen_items],
            "descriptive": [comparison_fields(comparison) for comparison in report.descriptive],
            "costs": [asdict(cost) for cost in report.costs],
            "depths": [asdict(point) for point in report.depths],
            "depth_findings": [depth_fields(finding) for finding in report.depth_findings],
            "interventions": [intervention_fields(finding) for finding in report.interventions],
            "oracle": [asdict(finding) for finding in report.oracles],
            "recovery": [asdict(finding) for finding in report.recoveries],
            "families": [asdict(family) for family in report.families],
            "variance": [
                variance_fields(comparison, comparison.variance)
                for comparison in report.comparisons
                if comparison.variance is not None
            ],
            "answer": [asdict(answer) for answer in report.answers],
            "tuning": [asdict(finding) for finding in report.tuning],
            "groups": [group_fields(finding) for finding in report.groups],
            "across": [asdict(found) for found in report.across],
            "across_without_seen_items": [asdict(found) for found in report.across_without_seen_items],
            "margin": report.margin,
            "interim": report.interim,
            "exploratory": report.exploratory,
            "declarations": [declaration.model_dump(mode="json") for declaration in report.declarations],
            "looks": [look.model_dump(mode="json") for look in report.looks],
            "controls": {label: record.model_dump() for label, record in report.controls.items()},
            "matches": [match.model_dump() for match in report.matches],
            "published": [
                {
                    **asdict(value),
                    "relative": value.relative,
                    "predicted": value.predicted,
                    "reproduced": value.reproduced,
                }
                for value in report.published
            ],
            "published_sources": [asdict(source) for source in report.published_sources],
            "warnings": [
                {"kind": warning.kind.name.lower(), "cause": warning.cause, "remedy": warning.remedy}
                for warning in report.warnings
            ],
            "caption": report.caption,
            "rows_of_suite": report.rows_of_suite,
            "provenance": provenance_fields(report.provenance),
        }
        return json.dumps(_known(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
