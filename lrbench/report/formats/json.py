"""The report as JSON, unrounded; what is not known is null. The keys are a contract with other programs."""

import json
import math
from dataclasses import asdict
from typing import Any

from lrbench.report.layout import Layout
from lrbench.report.report import Comparison, Report, Trend
from lrbench.stats.contrast import Contrast

__all__ = ["Json", "comparison_fields"]


def comparison_fields(comparison: Comparison) -> dict[str, Any]:
    """A comparison's fields by name; what stands beside the test is nested."""
    equivalent = comparison.equivalence.equivalent if comparison.contrast.testable else None
    return {
        "dataset": comparison.dataset,
        "metric": comparison.metric,
        "proposed": comparison.proposed,
        "baseline": comparison.baseline,
        **_contrast_fields(comparison.contrast),
        "p_holm" if comparison.confirmatory else "p_bh": comparison.p_adjusted,
        "family_size": comparison.family_size,
        "relative": comparison.relative.value,
        "relative_low": comparison.relative.low,
        "relative_high": comparison.relative.high,
        "effect_size": comparison.effect_size,
        "superiority": comparison.superiority,
        "minimum_detectable": comparison.minimum_detectable,
        "verdict": str(comparison.verdict),
        "users": asdict(comparison.users),
        "equivalence": {**asdict(comparison.equivalence), "equivalent": equivalent},
        "checks": None if comparison.checks is None else asdict(comparison.checks),
    }


def _contrast_fields(contrast: Contrast) -> dict[str, Any]:
    low, high = contrast.interval()
    return {
        "test": contrast.test,
        "difference": contrast.difference,
        "standard_error": contrast.standard_error,
        "ci_low": low,
        "ci_high": high,
        "t": contrast.t,
        "df": contrast.df,
        "p": contrast.p,
        "reason": contrast.reason or None,
    }


def _trend_fields(trend: Trend) -> dict[str, Any]:
    return {"dataset": trend.dataset, "label": trend.label, **_contrast_fields(trend.contrast)}


def _known(value: Any) -> Any:
    """Replace what is not a finite number by none, however deep."""
    if isinstance(value, dict):
        return {key: _known(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_known(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Json:
    """One object per report."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the object, indented."""
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
            "descriptive": [comparison_fields(comparison) for comparison in report.descriptive],
            "costs": [asdict(cost) for cost in report.costs],
            "depths": [asdict(point) for point in report.depths],
            "trends": [_trend_fields(trend) for trend in report.trends],
            "controls": {label: record.model_dump() for label, record in report.controls.items()},
            "matches": [match.model_dump() for match in report.matches],
            "published": [
                {**asdict(value), "relative": value.relative, "reproduced": value.reproduced}
                for value in report.published
            ],
            "warnings": [
                {"kind": warning.kind.name.lower(), "cause": warning.cause, "remedy": warning.remedy}
                for warning in report.warnings
            ],
            "caption": report.caption,
        }
        return json.dumps(_known(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
