"""What training of a suite's trials and searches will take, in seconds and in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lrbench.data.dataset import PreparedDataset
from lrbench.execution.estimate import seconds_per_epoch
from lrbench.execution.plan import PlannedTrial
from lrbench.execution.searches import PlannedSearch
from lrbench.store.layout import Results
from lrbench.store.trials import read_record
from lrbench.wording import duration

__all__ = ["StageCost", "TrainingCost", "estimated_cost", "longest_search_seconds", "measured_cost"]


@dataclass(frozen=True)
class TrainingCost:
    """How long training one trial takes."""

    stages: tuple["StageCost", ...] = ()
    """How long an epoch of each stage takes; empty where finished trials tell the whole or nothing does."""

    seconds: float | None = None
    """``None``: unknown."""

    measured: bool = False
    """Whether it is the mean of finished trials. Otherwise it is the time of all epochs of ``max_epochs``."""

    def text(self, usual: int) -> str:
        """Return the cost for a cell of the table.

        Args:
            usual: the cap of epochs that most stages of the table have. Other caps are named.
        """
        if self.seconds is None:
            return "unknown"
        if self.measured:
            return f"{duration(self.seconds)} in all, measured"
        rows = {stage.trained_by for stage in self.stages}
        if len(rows) == 1 and "" not in rows:
            return f"by {rows.pop()}"
        return ", ".join(stage.text(usual, len(self.stages) > 1) for stage in self.stages)


@dataclass(frozen=True)
class StageCost:
    """What a training stage takes, or which row trains it."""

    name: str
    epoch: float
    """Seconds of an epoch; 0 for a stage of one pass."""

    epochs: int
    """Its cap."""

    trained_by: str = ""
    """The row that trains it; its other fields say nothing then."""

    def text(self, usual: int, named: bool) -> str:
        """Return ``spt 1.2 s``.

        Args:
            usual: the cap of epochs that is not named.
            named: whether to name the stage. The only stage of a trial is not named.
        """
        name = f"{self.name} " if named else ""
        if self.trained_by:
            return f"{name}by {self.trained_by}"
        if self.epoch == 0.0:
            return f"{name}one pass"
        epoch = f"{self.epoch:.1f} s" if self.epoch < 60 else duration(self.epoch)
        return f"{name}{epoch}{'' if self.epochs == usual else f' (at most {self.epochs})'}"


def measured_cost(done: Sequence[str], results: Results) -> TrainingCost:
    """Return the mean training time of the trials that are done."""
    seconds = [read_record(results.trial(trial)).train_seconds for trial in done]
    mean = sum(seconds) / len(seconds)
    return TrainingCost(seconds=mean, measured=True)


def estimated_cost(trial: PlannedTrial, dataset: PreparedDataset | None) -> TrainingCost:
    """Return the cost of a trial by the time of a few steps, with a line for each stage.

    The line says how long an epoch takes on this machine, or which row trains the stage.
    """
    config = trial.config
    if dataset is None:
        return TrainingCost()
    epochs = {stage.name: stage.training.max_epochs for stage in config.stages}
    reused = [
        StageCost(stage.name, 0.0, 0, trial.reused_from or "") for stage in config.stages[: trial.reused]
    ]
    timed = seconds_per_epoch(config, dataset, torch.device("cpu"), skip=trial.reused)
    stages = [StageCost(name, seconds, epochs[name]) for name, seconds in timed.items()]
    return TrainingCost((*reused, *stages), sum(stage.epoch * stage.epochs for stage in stages))


def longest_search_seconds(search: PlannedSearch, dataset: PreparedDataset) -> float:
    """Return the longest time that the trainings of a search can take, in seconds.

    They are taken to have the row's own settings.
    """
    config = search.config
    epochs = {stage.name: stage.training.max_epochs for stage in config.stages}
    timed = seconds_per_epoch(config, dataset, torch.device("cpu"))
    share = 1.0 if config.users is None else min(1.0, config.users / dataset.record.final.users)
    return config.trainings * share * sum(seconds * epochs[stage] for stage, seconds in timed.items())
