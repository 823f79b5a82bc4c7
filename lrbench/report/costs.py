"""The cost of each label, beside its quality: a missing stage or a lower depth is also a smaller budget."""

import math
from collections.abc import Sequence
from statistics import fmean

from lrbench.report.label_metrics import Measured
from lrbench.report.report import Cost, DepthCost, StageCost
from lrbench.store.trials import TrialRecord

__all__ = ["make_costs"]


def make_costs(measured: Sequence[Measured]) -> list[Cost]:
    """Return the cost of every label on every dataset, with its stages summed up, as means over runs."""
    return [_cost(entry) for entry in measured]


def _cost(entry: Measured) -> Cost:
    records = [trial.record for trial in entry.trials]
    stages = tuple(
        StageCost(
            name=runs[0].name,
            epochs=fmean(run.epochs for run in runs),
            steps=fmean(run.steps for run in runs),
            seconds=fmean(run.seconds for run in runs),
            reused=any(run.trained_in is not None for run in runs),
        )
        for runs in zip(*(record.stages for record in records), strict=True)
    )
    return Cost(
        dataset=entry.dataset,
        label=entry.label,
        parameters=records[0].parameters,
        steps=sum(stage.steps for stage in stages),
        epochs=sum(stage.epochs for stage in stages),
        train_seconds=fmean(record.train_seconds for record in records),
        flops_per_user=fmean(record.flops_per_user or math.nan for record in records),
        peak_memory_bytes=max(record.peak_memory_bytes for record in records),
        stages=stages,
        depth=entry.depth,
        by_depth=_by_depth(records),
    )


def _by_depth(records: Sequence[TrialRecord]) -> tuple[DepthCost, ...]:
    """Return the costs at the depths at which every run was measured; empty where there is no such depth."""
    depths = set.intersection(*(set(record.flops_by_depth) for record in records))
    costs = []
    for depth in sorted(depths):
        measured = [record.latency_by_depth.get(depth, {}) for record in records]
        sizes = set.intersection(*(set(latency) for latency in measured))
        latency = {size: fmean(found[size] for found in measured) for size in sorted(sizes)}
        flops = fmean(record.flops_by_depth[depth] or math.nan for record in records)
        costs.append(DepthCost(depth, flops, latency))
    return tuple(costs)
