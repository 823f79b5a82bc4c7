"""One training of a search: settings, a seed, and what came of them."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from pydantic import JsonValue

from lrbench.config.base import parse_config
from lrbench.config.training import TrainingConfig
from lrbench.config.trial import StageConfig, TrialConfig
from lrbench.config.tuning import TRAINING, SearchConfig
from lrbench.data.dataset import PreparedDataset
from lrbench.data.sequences import Split
from lrbench.errors import RequestError, SettingsError
from lrbench.execution.order import TrialOrder
from lrbench.execution.train_and_rank import build_model
from lrbench.files import set_aside
from lrbench.machine import out_of_memory
from lrbench.models.base import Model
from lrbench.registry import MODELS
from lrbench.store.layout import CHECKPOINT_FILE
from lrbench.store.searches import FinalistRun, SearchTrial
from lrbench.training.checkpoint import Checkpoint, UnusableCheckpointError, load_checkpoint
from lrbench.training.news import EpochDone
from lrbench.training.trainer import selection_metric, train

__all__ = ["NO_MEMORY", "Attempt", "SearchRun"]


NO_MEMORY = "out of memory"
"""Why settings failed whose training does not fit into the memory."""


class _PrunedError(Exception):
    """The training is ended early, since earlier trials were better at the same epoch."""


def _never(epoch: int, best: float) -> bool:
    return False


@dataclass(frozen=True)
class SearchRun:
    """What all trainings of a search share."""

    order: TrialOrder
    search: SearchConfig
    dataset: PreparedDataset
    parts: Split
    watch: Callable[[EpochDone], None]
    note: Callable[[str], None]


@dataclass
class _Progress:
    """How far a training has come."""

    curve: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, best metric so far) for each validation."""

    epochs: int = 0
    seconds: float = 0.0
    """How long it trained before it was interrupted."""

    def add(self, metric: float | None) -> float | None:
        """Add an epoch, and return the best metric so far; ``None``: the epoch has no validation."""
        self.epochs += 1
        if metric is None:
            return None
        best = max([metric, *(value for _, value in self.curve)])
        self.curve.append((self.epochs, best))
        return best


@dataclass
class Attempt:
    """One training. It is an outcome, and not raised, that the settings fail. Other errors are raised."""

    run: SearchRun
    settings: Mapping[str, JsonValue]
    """Option → value; training settings with the prefix ``training.``."""

    seed: int
    place: str
    """Its place in the search, for messages, e.g. ``3/20``."""

    hopeless: Callable[[int, float], bool] = _never
    """Given the epoch and the best metric so far, whether to end it early."""

    killed: bool = False
    """Whether the system ended its process for its memory. It is not tried again."""

    progress: _Progress = field(default_factory=_Progress, init=False)

    def as_trial(self, number: int) -> SearchTrial:
        """Train, and return the outcome as a trial of the search."""
        started = time.perf_counter()
        state, value, reason = self._outcome()
        return SearchTrial(
            number=number,
            settings=dict(self.settings),
            state=state,
            value=value,
            curve=tuple(self.progress.curve),
            epochs=self.progress.epochs,
            seconds=self.progress.seconds + time.perf_counter() - started,
            reason=reason,
        )

    def as_finalist(self, number: int) -> FinalistRun:
        """Train, and return the outcome as a further run of a trial's settings."""
        started = time.perf_counter()
        _, value, reason = self._outcome()
        return FinalistRun(
            number=number,
            seed=self.seed,
            value=value,
            epochs=self.progress.epochs,
            seconds=self.progress.seconds + time.perf_counter() - started,
            reason=reason,
        )

    def _outcome(self) -> tuple[Literal["complete", "pruned", "failed"], float | None, str]:
        """Train and validate. Return the state, the value and why it failed."""
        if self.killed:
            return "failed", None, NO_MEMORY
        try:
            return "complete", self._value(), ""
        except _PrunedError:
            return "pruned", self.progress.curve[-1][1], ""
        except (SettingsError, ArithmeticError) as error:
            return "failed", None, _first_line(error)
        except Exception as error:
            if self.run.order.alone and out_of_memory(error):
                return "failed", None, NO_MEMORY
            raise

    def _value(self) -> float:
        """Train from a usable checkpoint, else from the start, and return the selection metric."""
        config = _changed(self.run.search, self.settings, self.seed)
        file = self._checkpoint_file()
        try:
            saved = load_checkpoint(file, config.id)
            if saved is not None:
                self._take_up(saved)
                return self._trained(config, saved)
        except UnusableCheckpointError as error:
            aside, self.progress = set_aside(file), _Progress()
            self.run.note(f"{error.cause} It is kept as {aside.name}. Training {self.place} starts again.")
        return self._trained(config, None)

    def _take_up(self, saved: Checkpoint) -> None:
        """Restore the progress, and end the training if it is hopeless.

        An interrupt comes between the checkpoint of an epoch and this decision.
        """
        before = sum(stage["seconds"] for stage in saved.finished_stages)
        self.progress.seconds = before + saved.progress.seconds
        for epoch in saved.history:
            self._count(epoch["validation_metric"])

    def _trained(self, config: TrialConfig, saved: Checkpoint | None) -> float:
        """Train, and return the selection metric on validation."""
        gc.collect()  # what a training that ran out of memory leaves would be missing here
        run, device = self.run, torch.device(self.run.order.device)
        try:
            model = build_model(config, run.dataset, device)
        except ValueError as error:
            raise SettingsError(_first_line(error)) from error
        train(model, config, run.parts, device, self._checkpoint_file(), self._see, saved)
        depth = model.configured_depth(model.config)
        return selection_metric(model, run.parts.valid, config.protocol, depth, config.seed, device)

    def _checkpoint_file(self) -> Path:
        return self.run.order.results.running(self.run.search.id) / CHECKPOINT_FILE

    def _see(self, report: EpochDone) -> None:
        """Pass on the news of an epoch under the search's id, and count the epoch."""
        update = {"trial": self.run.search.id, "stage": f"{self.place} {report.stage}"}
        self.run.watch(report.model_copy(update=update))
        self._count(report.metric)

    def _count(self, metric: float | None) -> None:
        """Count an epoch, and end the training if it is hopeless."""
        best = self.progress.add(metric)
        if best is not None and self.hopeless(self.progress.epochs, best):
            raise _PrunedError


def _changed(search: SearchConfig, settings: Mapping[str, JsonValue], seed: int) -> TrialConfig:
    """Return the trial of the search's row with other settings and a seed.

    Raises:
        SettingsError: the model or a stage does not take one of them, or they cannot be combined.
        RequestError: the model cannot be loaded.
    """
    kind = MODELS.load(search.model)
    try:
        return _config(kind, search, settings, seed)
    except (RequestError, ValueError) as error:
        raise SettingsError(_first_line(error)) from error


def _config(
    kind: type[Model], search: SearchConfig, settings: Mapping[str, JsonValue], seed: int
) -> TrialConfig:
    params = {name: value for name, value in settings.items() if not name.startswith(TRAINING)}
    training = {name.removeprefix(TRAINING): v for name, v in settings.items() if name.startswith(TRAINING)}
    config = parse_config(kind.Config, {**search.params, **params}, search.model)
    stages = tuple(
        StageConfig(
            name=stage.name,
            training=parse_config(TrainingConfig, {**stage.training.model_dump(), **training}, stage.name),
        )
        for stage in search.stages
    )
    config.check_against_protocol(search.protocol.max_length, [stage.name for stage in stages])
    kind.check_options(config)
    values = {name: getattr(search, name) for name in TrialConfig.model_fields}
    return TrialConfig(**values | {"params": config.model_dump(mode="json"), "stages": stages, "seed": seed})


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
