"""The primary metric at every stored depth, the depth that validation would choose, and the gain by depth."""

from collections.abc import Iterator, Mapping, Sequence

from lrbench.report.label_metrics import Measured, user_metrics
from lrbench.report.report import DepthPoint
from lrbench.report.step_findings import DepthContrast, DepthFinding
from lrbench.stats.depth import depth_contrast, depth_shape, shallowest_depth
from lrbench.stats.user_metrics import UserMetrics
from lrbench.store.alignment import EvaluationSplit, aligned_ranks

__all__ = ["measure_depths"]


def measure_depths(
    entries: Sequence[Measured], metric: str, masked: bool
) -> tuple[list[DepthPoint], list[DepthFinding]]:
    """Return the metric at every depth, and the findings, for labels with more than one depth.

    Depths count at which all runs were ranked on test and in validation.
    """
    points: list[DepthPoint] = []
    findings: list[DepthFinding] = []
    for entry in entries:
        test, valid = (_by_depth(entry, metric, masked, split) for split in ("test", "valid"))
        by_depth = {depth: values for depth, values in test.items() if depth in valid}
        valid = {depth: valid[depth] for depth in by_depth}
        if len(by_depth) < 2:
            continue
        chosen = shallowest_depth(valid)
        points += _points(entry, by_depth, valid, chosen)
        findings.append(
            DepthFinding(
                dataset=entry.dataset,
                label=entry.label,
                reported=entry.depth,
                chosen=chosen,
                shape=depth_shape(by_depth),
                contrasts=tuple(_contrasts(by_depth, entry.depth)),
            )
        )
    return points, findings


def _points(
    entry: Measured, test: Mapping[int, UserMetrics], valid: Mapping[int, UserMetrics], chosen: int
) -> Iterator[DepthPoint]:
    """Yield the metric at each depth, on test and in validation."""
    later = set[int]().union(*(trial.later_depths() for trial in entry.trials))
    for depth, values in test.items():
        yield DepthPoint(
            dataset=entry.dataset,
            label=entry.label,
            depth=depth,
            mean=values.mean,
            sd=values.seed_sd,
            n_seeds=values.seeds,
            valid_mean=valid[depth].mean,
            reported=depth == entry.depth,
            chosen=depth == chosen,
            evaluated_later=depth in later,
        )


def _contrasts(by_depth: Mapping[int, UserMetrics], reported: int) -> Iterator[DepthContrast]:
    """Compare the reported depth with 0 and 1, and the deepest with the reported one, where they exist."""
    wanted = dict.fromkeys([(reported, 0), (reported, 1), (max(by_depth), reported)])
    for depth, reference in wanted:
        if depth > reference and depth in by_depth and reference in by_depth:
            yield DepthContrast(depth, reference, depth_contrast(by_depth, depth, reference))


def _by_depth(entry: Measured, metric: str, masked: bool, split: EvaluationSplit) -> dict[int, UserMetrics]:
    """Return the metric at the depths at which all runs were ranked."""
    ranks = aligned_ranks(entry.trials, masked, split, every_depth=True)
    return {
        depth: user_metrics(ranks, entry.ids, depth, metric, entry.deterministic)
        for depth in ranks.depths(entry.ids)
    }
