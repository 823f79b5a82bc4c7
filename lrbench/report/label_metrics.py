"""From a suite's finished trials to one matrix of user metrics per label, dataset and metric."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from lrbench.arrays import Floats
from lrbench.stats.user_metrics import UserMetrics
from lrbench.store.alignment import AlignedRanks, aligned_ranks
from lrbench.store.frames import FinishedTrial

__all__ = ["Measured", "measure", "user_metrics"]


@dataclass(frozen=True)
class Measured:
    """One label on one dataset: its finished trials and their metrics at the depth that reports use."""

    dataset: str
    label: str
    trials: tuple[FinishedTrial, ...]
    metrics: dict[str, UserMetrics]
    """Metric → its values, (runs, users); runs in the order of ``trials``."""

    fingerprint: str
    """Hash of the ranks; labels with the same one are the same model under several names."""

    ties_known: bool
    """Whether every run stored how many items tie with a target."""

    targets: pl.DataFrame
    """The raw ids of the targets, in the order of the users of ``metrics``; columns user and target."""

    @property
    def seeds(self) -> list[int]:
        """Seeds of the runs, in the order of ``trials``."""
        return [trial.cell.seed for trial in self.trials]

    @cached_property
    def trained_stages(self) -> dict[int, frozenset[str]]:
        """Seed → ids of its weights after each training stage; trials with a common id share weights."""
        return {trial.cell.seed: frozenset(trial.record.config.training_ids) for trial in self.trials}

    @property
    def ids(self) -> tuple[str, ...]:
        """The trials' ids."""
        return tuple(trial.record.id for trial in self.trials)

    @property
    def validation_bests(self) -> Floats:
        """Best validation metric of each run in its last stage, (runs,); NaN where no epoch was validated."""
        last = [trial.record.stages[-1] for trial in self.trials]
        return np.array([math.nan if stage.best_metric is None else stage.best_metric for stage in last])

    @property
    def deterministic(self) -> bool:
        """Whether one run stands for all seeds."""
        return self.trials[0].record.deterministic

    @property
    def depth(self) -> int:
        """The depth of its ranks."""
        return self.trials[0].record.depth


def user_metrics(
    ranks: AlignedRanks, trials: Iterable[str], depth: int, metric: str, deterministic: bool
) -> UserMetrics:
    """Return a metric of several runs at one depth, for the tests.

    Args:
        ranks: of the trials.
        trials: their ids.
        depth: the depth.
        metric: its name.
        deterministic: whether one run stands for all seeds.

    Raises:
        RequestError: a brief archive left out ranks that the metric needs.
    """
    sums = ranks.metric(trials, depth, metric)
    return UserMetrics.from_targets(sums, ranks.targets_per_user, deterministic)


def measure(
    trials: Sequence[FinishedTrial],
    datasets: Sequence[str],
    labels: Sequence[str],
    metrics: Sequence[str],
    masked: bool,
) -> list[Measured]:
    """Measure every label that has a finished trial, by dataset, then label.

    Args:
        trials: finished trials of a suite.
        datasets: names of datasets, in the order of the result.
        labels: labels, in the order of the result.
        metrics: metrics such as ``ndcg@10``.
        masked: whether items of the user's history are left out of the ranks.

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
                    metric: user_metrics(ranks, ids, depth, metric, deterministic) for metric in metrics
                }
                keys = [(trial, depth) for trial in ids]
                known = all(ranks.stored[key].ties is not None for key in keys)
                fingerprint = ranks.fingerprint(keys)
                measured.append(Measured(dataset, label, runs, values, fingerprint, known, ranks.targets))
    return measured
