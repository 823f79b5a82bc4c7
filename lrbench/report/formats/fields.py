"""The parts of a report as dictionaries, for the machine-readable formats."""

from dataclasses import asdict
from typing import Any

from lrbench.report.findings import Comparison, GroupFinding, Variance
from lrbench.report.provenance import Provenance
from lrbench.report.report import Cost
from lrbench.report.seen_items import WithoutSeenItems
from lrbench.report.step_findings import DepthFinding, InterventionFinding
from lrbench.stats.contrast import Contrast

__all__ = [
    "comparison_fields",
    "contrast_fields",
    "cost_fields",
    "depth_fields",
    "group_fields",
    "intervention_fields",
    "provenance_fields",
    "seen_items_fields",
    "variance_fields",
]


def comparison_fields(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison; users, equivalence and cross-checks are nested."""
    equivalent = comparison.equivalence.equivalent if comparison.contrast.testable else None
    return {
        "dataset": comparison.dataset,
        "metric": comparison.metric,
        "proposed": comparison.proposed,
        "baseline": comparison.baseline,
        "proposed_mean": comparison.proposed_mean,
        "baseline_mean": comparison.baseline_mean,
        **contrast_fields(comparison.contrast),
        "p_holm" if comparison.confirmatory else "p_bh": comparison.p_adjusted,
        "family": comparison.family or None,
        "family_size": comparison.family_size,
        "awaited": comparison.awaited,
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


def seen_items_fields(found: WithoutSeenItems) -> dict[str, Any]:
    """Return a declared comparison without items that users have seen, with what it changes."""
    added, low, high = found.added
    return {
        **comparison_fields(found.comparison),
        "declared_difference": found.declared.contrast.difference,
        "declared_relative": found.declared.relative.value,
        "declared_verdict": str(found.declared.verdict),
        "changes": found.changes,
        "depends": found.depends,
        "seen_items_add": {
            "ratio": added,
            "ratio_low": low,
            "ratio_high": high,
            **contrast_fields(found.change),
            "p_bh": found.p_adjusted,
        },
    }


def contrast_fields(contrast: Contrast) -> dict[str, Any]:
    """Return a difference with its test and its 95 % interval."""
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


def depth_fields(finding: DepthFinding) -> dict[str, Any]:
    """Return what depth contributes to a row, with the contrasts between depths."""
    return {
        "dataset": finding.dataset,
        "label": finding.label,
        "reported": finding.reported,
        "chosen": finding.chosen,
        "shape": finding.shape or None,
        "contrasts": [
            {"depth": found.depth, "reference": found.reference, **contrast_fields(found.contrast)}
            for found in finding.contrasts
        ],
    }


def intervention_fields(finding: InterventionFinding) -> dict[str, Any]:
    """Return what a row loses when its latent state is replaced, and what that means."""
    return {
        "dataset": finding.dataset,
        "label": finding.label,
        "mean": finding.mean,
        "reading": finding.reading,
        "losses": [
            {
                "intervention": loss.kind,
                "divergence": loss.divergence,
                "rank_change": loss.rank_change,
                **contrast_fields(loss.contrast),
            }
            for loss in finding.losses
        ],
    }


def group_fields(finding: GroupFinding) -> dict[str, Any]:
    """Return a difference by groups of users."""
    return {
        "dataset": finding.dataset,
        "proposed": finding.proposed,
        "baseline": finding.baseline,
        "trait": finding.trait,
        "interaction_p": finding.interaction_p,
        "groups": [
            {
                "group": group.group,
                "low": group.low,
                "high": group.high,
                "n_users": group.n_users,
                **contrast_fields(group.contrast),
                "p_bh": group.p_adjusted,
            }
            for group in finding.groups
        ],
    }


def variance_fields(comparison: Comparison, variance: Variance) -> dict[str, Any]:
    """Return the sources of a comparison's uncertainty."""
    return {
        "dataset": comparison.dataset,
        "metric": comparison.metric,
        "proposed": comparison.proposed,
        "baseline": comparison.baseline,
        "family": comparison.family,
        **asdict(variance),
    }


def cost_fields(cost: Cost) -> dict[str, Any]:
    """Return a row's cost; the names of its stages are joined by ``+``."""
    return {
        "parameters": cost.parameters,
        "optimiser_steps": cost.steps,
        "epochs": cost.epochs,
        "train_seconds": cost.train_seconds,
        "flops_per_user": cost.flops_per_user,
        "peak_memory_bytes": cost.peak_memory_bytes,
        "stages": "+".join(stage.name for stage in cost.stages),
    }


def provenance_fields(provenance: Provenance) -> dict[str, Any]:
    """Return the provenance, with times in ISO 8601."""
    return {
        **asdict(provenance),
        "started": provenance.started.isoformat(),
        "ended": provenance.ended.isoformat(),
    }
