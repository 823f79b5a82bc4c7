"""From a suite's finished trials to one matrix of user metrics per label, dataset and metric."""

from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.report.report import DepthPoint, Trend
from lrbench.stats.trend import depth_trend
from lrbench.stats.user_metrics import UserMetrics
from lrbench.store.frames import EvaluationSplit, FinishedTrial, aligned_ranks

__all__ = ["Measured", "measure", "measure_depths"]


@dataclass(frozen=True)
class Measured:
    """One label on one dataset: its finished trials and their metrics at the depth of reports."""

    dataset: str
    label: str
    trials: tuple[FinishedTrial, ...]
    metrics: dict[str, UserMetrics]

    @property
    def ids(self) -> tuple[str, ...]:
        """The trials' ids; two labels with the same ids are the same model."""
        return tuple(trial.record.id for trial in self.trials)

    @property
    def deterministic(self) -> bool:
        """Whether one run stands for all seeds."""
        return self.trials[0].record.deterministic

    @property
    def depth(self) -> int:
        """The depth of its ranks."""
        return self.trials[0].record.depth


def measure(
    trials: Sequence[FinishedTrial],
    datasets: Sequence[str],
    labels: Sequence[str],
    metrics: Sequence[str],
    masked: bool,
) -> list[Measured]:
    """Measure every label that has a finished trial, by dataset, then label.

    Raises:
        CheckError: trials of one dataset were ranked on different targets.
    """
    measured = []
    for dataset in datasets:
        present = [trial for trial in trials if trial.cell.dataset == dataset]
        if not present:
            continue
        ranks = aligned_ranks(present, masked)
        for label in labels:
            runs = tuple(trial for trial in present if trial.cell.label == label)
            if runs:
                ids = [run.record.id for run in runs]
                depth, deterministic = runs[0].record.depth, runs[0].record.deterministic
                values = {
                    metric: UserMetrics(ranks.metric(ids, depth, metric), deterministic) for metric in metrics
                }
                measured.append(Measured(dataset, label, runs, values))
    return measured


def measure_depths(
    entries: Sequence[Measured], metric: str, masked: bool
) -> tuple[list[DepthPoint], list[Trend]]:
    """Return the metric at every stored depth, and its trend, of labels with more than one depth."""
    points: list[DepthPoint] = []
    trends: list[Trend] = []
    for entry in entries:
        by_depth, valid = (_by_depth(entry, metric, masked, split) for split in ("test", "valid"))
        if len(by_depth) < 2:
            continue
        chosen = max(valid, key=lambda depth: valid[depth].mean)
        points += [
            DepthPoint(
                dataset=entry.dataset,
                label=entry.label,
                depth=depth,
                mean=values.mean,
                sd=values.seed_sd,
                n_seeds=values.seeds,
                valid_mean=valid[depth].mean,
                reported=depth == entry.depth,
                chosen=depth == chosen,
            )
            for depth, values in by_depth.items()
        ]
        if sum(depth > 0 for depth in by_depth) > 1:
            trends.append(Trend(entry.dataset, entry.label, depth_trend(by_depth)))
    return points, trends


def _by_depth(entry: Measured, metric: str, masked: bool, split: EvaluationSplit) -> dict[int, UserMetrics]:
    """Return the metric at the depths at which all runs were ranked."""
    ranks = aligned_ranks(entry.trials, masked, split, every_depth=True)
    return {
        depth: UserMetrics(ranks.metric(entry.ids, depth, metric), entry.deterministic)
        for depth in ranks.depths(entry.ids)
    }
