"""Train a model through its stages, with early stopping, a checkpoint per epoch, and resumption.

The trainer knows stages, not models. Every draw comes from a stream of the trial's seed, and a checkpoint
holds all other state. A trial that was killed and resumed therefore ends with the same numbers as one that
was never interrupted.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrbench.config.protocol import Protocol
from lrbench.config.trial import TrialConfig
from lrbench.data.batches import TrainingData
from lrbench.data.sequences import EvaluationView, Split
from lrbench.errors import SettingsError
from lrbench.evaluation.ranking import NonFiniteScoresError, rank_targets
from lrbench.metrics import metric_function
from lrbench.models.base import ChoiceStage, FitStage, GradientStage, Model
from lrbench.models.batch_draws import BatchDraws
from lrbench.seeds import batch_source, noise_seed, seed_part, seed_torch, shuffle_source
from lrbench.store.trials import StageRecord
from lrbench.team import ALONE, Team
from lrbench.training.checkpoint import (
    Checkpoint,
    StageProgress,
    Weights,
    compatible_with,
    random_state,
    restore_random_state,
)
from lrbench.training.choice import choose
from lrbench.training.data_parallel_stage import DataParallelStage
from lrbench.training.epoch import EpochResult, run_epoch
from lrbench.training.news import EpochDone
from lrbench.training.optimiser import Optimiser
from lrbench.training.recorded_steps import RecordedSteps, record_on
from lrbench.training.step import GradientStep
from lrbench.training.stopping import reason_to_stop, record_validation

__all__ = ["TrainedStages", "selection_metric", "train"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedStages:
    """What stages that have run leave besides the model's weights."""

    stages: tuple[StageRecord, ...]
    history: list[dict[str, Any]]  # one row per epoch and stage
    resumed: int  # how often the trial was resumed
    reused_bytes: int = 0  # peak memory of the trial whose stages were reused


@dataclass
class _Trainer:
    """The state that the stages of one trial share; see :func:`train`."""

    model: Model
    config: TrialConfig
    split: Split
    device: torch.device
    checkpoint_file: Path
    watch: Callable[[EpochDone], None]
    done: TrainedStages
    team: Team

    def run(self, saved: Checkpoint | None) -> TrainedStages:
        """Run the stages that are not done. The first of them continues from ``saved``."""
        if saved is not None:
            with compatible_with(self.checkpoint_file):
                records = tuple(StageRecord.model_validate(values) for values in saved.finished_stages)
                self.done = TrainedStages(records, saved.history, saved.resumed + 1)
                self.model.load_state_dict(saved.begin_weights)
            log.info("resumed in stage %d after epoch %d", saved.stage + 1, saved.progress.epoch)
        first = len(self.done.stages)
        for number in range(first, len(self.config.stages)):
            record = self._run_stage(number, saved if number == first else None)
            self.done = replace(self.done, stages=(*self.done.stages, record))
        return self.done

    def _run_stage(self, number: int, saved: Checkpoint | None) -> StageRecord:
        stage_config = self.config.stages[number]
        stage = self.model.stages[stage_config.name](self.model)
        seed_torch(self.config.seed, number)
        match stage:
            case FitStage():
                started = time.perf_counter()
                stage.fit(self.split.train)
                seconds = time.perf_counter() - started
                progress = StageProgress(steps=1, seconds=seconds, stopped="fitted")
            case ChoiceStage():
                progress = self._choose(stage)
            case GradientStage():
                progress = _GradientTraining(self, number, stage, saved).run()
        log.info("stage %s ended: %s", stage_config.name, progress)
        return _record(stage_config.name, progress)

    def _choose(self, stage: ChoiceStage) -> StageProgress:
        """Choose a setting on validation."""
        started, config = time.perf_counter(), self.config
        chosen, tried = choose(stage, self.split.valid, config.protocol, config.seed, self.device)
        return StageProgress(
            seconds=time.perf_counter() - started,
            best_metric=tried[chosen],
            stopped="chosen",
            chosen=chosen,
            tried=tried,
        )


class _GradientTraining:
    """The epochs of one stage.

    Args:
        trainer: of all stages.
        number: of the stage in the trial, from 0.
        stage: gives the losses.
        saved: the checkpoint of this stage, if it was interrupted.

    Raises:
        SettingsError: there is no target to train on.
    """

    def __init__(
        self, trainer: _Trainer, number: int, stage: GradientStage, saved: Checkpoint | None
    ) -> None:
        self.trainer = trainer
        self.number = number
        self.stage = stage
        self.model = trainer.model
        self.name, self.training = trainer.config.stages[number].name, trainer.config.stages[number].training
        rows = self.training.rows or stage.training_rows()
        self.data = TrainingData(
            trainer.split.train, self.model.max_length, rows, self.training.long_sequences
        )
        self.begin_weights = _copy(self.model)
        self.keep = stage.begin(self.data, trainer.device)
        if self.data.n_targets == 0 or (self.keep is not None and not self.keep.any()):
            raise SettingsError(
                f'Stage "{self.name}" has nothing to train on.',
                "Use a larger dataset, or a less strict filter of training rows.",
            )
        self.optimiser = Optimiser(self.model.parameters(), self.training, self._steps_of_all_epochs())
        shared = stage if trainer.team.count == 1 else DataParallelStage(stage, trainer.team)
        self.step = GradientStep(shared, self.optimiser, self.training, trainer.device)
        self.recorded = RecordedSteps(self.step, record_on(trainer.device)) if self.training.graph else None
        self.progress, self.best_weights = StageProgress(), self.begin_weights
        if saved is not None:
            self._restore(saved)

    def run(self) -> StageProgress:
        """Train until the stage is over, and give the model the best weights."""
        while self.progress.stopped is None:
            self._epoch()
        self.model.load_state_dict(self.best_weights)
        return self.progress

    def _steps_of_all_epochs(self) -> int | None:
        """Return the number of steps after which a falling learning rate is 0. Other rates need none."""
        training = self.training
        if training.decay == "none":
            return None
        epochs = range(1, training.max_epochs + 1)
        return sum(self.data.n_batches(training.batch_size, self._shuffle(n), self.keep) for n in epochs)

    def _shuffle(self, epoch: int) -> np.random.Generator:
        return shuffle_source(self.trainer.config.seed, self.number, epoch)

    def _restore(self, saved: Checkpoint) -> None:
        self.progress, self.best_weights = saved.progress, saved.best_weights
        with compatible_with(self.trainer.checkpoint_file):
            self.model.load_state_dict(saved.weights)
            self.optimiser.load_state_dict(saved.optimiser)
            restore_random_state(saved.random, self.trainer.device)

    def _epoch(self) -> None:
        """Train for one epoch, validate, decide whether to stop, and save."""
        started, progress, training = time.perf_counter(), self.progress, self.training
        progress.epoch += 1
        self.stage.begin_epoch(progress.epoch)
        shuffle = self._shuffle(progress.epoch)
        device, team = self.trainer.device, self.trainer.team
        self._seed_epoch()
        batches = self.data.batches(training.batch_size, device, shuffle, self.keep, training.graph, team)
        where = f"stage {self.name}, epoch {progress.epoch}"
        result = run_epoch(self.step, batches, where, progress.losses, recorded=self.recorded)
        result = replace(result, tokens=int(team.summed(np.array([result.tokens]))[0]))
        progress.losses = dict(result.last)
        metric = self._validate(f"{where}, after step {result.steps} of the epoch")
        if metric is not None and record_validation(progress, metric):
            self.best_weights = _copy(self.model)
        progress.steps += result.steps
        progress.stopped = reason_to_stop(progress, training)
        seconds = time.perf_counter() - started
        progress.seconds += seconds
        news = self._note(result, metric, seconds)
        self._save()
        self.trainer.watch(news)  # after the checkpoint: whoever watches may end the trial here

    def _seed_epoch(self) -> None:
        """Seed what a process of a team draws for itself, and what all of them draw alike."""
        seed, epoch, team = self.trainer.config.seed, self.progress.epoch, self.trainer.team
        if team.number:
            seed_part(seed, self.number, epoch, team.number)
        if team.count > 1:
            source = batch_source(seed, self.number, epoch)
            self.model.batch_draws = BatchDraws(source, self.trainer.device)

    def _validate(self, where: str) -> float | None:
        """Return the selection metric, or ``None`` in an epoch without validation.

        Raises:
            SettingsError: scores are NaN or infinite. The message names the last step and the last finite
                losses.
        """
        training, trainer = self.training, self.trainer
        if self.progress.epoch % training.validate_every and self.progress.epoch != training.max_epochs:
            return None
        view, config, depth = trainer.split.valid, trainer.config, self.stage.selection_depth()
        try:
            return selection_metric(
                self.model, view, config.protocol, depth, config.seed, trainer.device, trainer.team
            )
        except NonFiniteScoresError as error:
            raise SettingsError(
                f"Scores in validation became NaN or infinite in {where} (depth {depth}); "
                f"the last finite losses were {self.progress.losses}.",
                error.remedy,
            ) from error

    def _note(self, result: EpochResult, metric: float | None, seconds: float) -> EpochDone:
        """Add the epoch to the history and to the log, and return the message about it."""
        progress, training = self.progress, self.training
        self.trainer.done.history.append(
            {
                "stage": self.name,
                "epoch": progress.epoch,
                "learning_rate": self.optimiser.learning_rate,  # of its last step
                "validation_metric": metric,
                "seconds": seconds,
                "train_seconds": result.seconds,
                "targets": result.targets,
                "tokens_per_second": result.tokens / result.seconds,
                **{name if name == "loss" else f"loss_{name}": value for name, value in result.terms.items()},
            }
        )
        news = EpochDone(
            trial=self.trainer.config.id,
            stage=self.name,
            epoch=progress.epoch,
            max_epochs=training.max_epochs,
            loss=result.terms["loss"],
            metric=metric,
            best_metric=progress.best_metric,
            validations_left=training.patience - progress.validations_without_gain,
            seconds=seconds,
        )
        log.info("%s", news)
        return news

    def _save(self) -> None:
        trainer = self.trainer
        if trainer.team.number:
            return
        Checkpoint(
            trial=trainer.config.id,
            stage=self.number,
            progress=self.progress,
            weights=self.model.state_dict(),
            begin_weights=self.begin_weights,
            best_weights=self.best_weights,
            optimiser=self.optimiser.state_dict(),
            random=random_state(trainer.device),
            finished_stages=[record.model_dump() for record in trainer.done.stages],
            history=trainer.done.history,
            resumed=trainer.done.resumed,
            threads=torch.get_num_threads(),
        ).save(trainer.checkpoint_file)


def train(  # noqa: PLR0913, PLR0917 - a trial, and the processes that work on it
    model: Model,
    config: TrialConfig,
    split: Split,
    device: torch.device,
    checkpoint_file: Path,
    watch: Callable[[EpochDone], None],
    begun: Checkpoint | TrainedStages | None = None,
    team: Team = ALONE,
) -> TrainedStages:
    """Train ``model`` in place through the trial's stages and leave it with the selected weights.

    Args:
        model: freshly initialised from the trial's seed, or with the weights of ``begun``, on ``device``.
        config: the trial.
        split: the parts to train and to validate on.
        device: where the model is.
        checkpoint_file: replaced after every epoch. It is not read here; see ``begun``.
        watch: called after every epoch, once its checkpoint is written.
        begun: where to continue: the checkpoint of an interrupted trial, or the first stages if another
            trial ran them. ``None``: from the start.
        team: the processes that train it together. Each calls this function, and only process 0 saves.

    Raises:
        UnusableCheckpointError: the checkpoint in ``begun`` does not fit the model.
        SettingsError: a loss or a score became NaN or infinite, or a stage has no target to train on.
        RequestError: steps are to be recorded on a device that cannot.
    """
    done = begun if isinstance(begun, TrainedStages) else TrainedStages((), [], resumed=0)
    saved = begun if isinstance(begun, Checkpoint) else None
    return _Trainer(model, config, split, device, checkpoint_file, watch, done, team).run(saved)


def selection_metric(
    model: Model,
    view: EvaluationView,
    protocol: Protocol,
    depth: int,
    seed: int,
    device: torch.device,
    team: Team = ALONE,
) -> float:
    """Return the protocol's selection metric on validation at one depth, unrounded.

    Reasoning that starts from noise gets the same noise in every call.
    """
    ranks = rank_targets(model, view, (depth,), noise_seed(seed, "selection", 0), device, team)
    chosen, ties = ranks.headline(protocol.mask_seen)
    return float(metric_function(protocol.selection_metric)(chosen[0], ties[0]).mean())


def _copy(model: Model) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _record(name: str, progress: StageProgress) -> StageRecord:
    values = asdict(progress)
    return StageRecord(
        name=name,
        epochs=values["epoch"],
        **{
            key: values[key]
            for key in ("steps", "seconds", "best_epoch", "best_metric", "stopped", "chosen", "tried")
        },
    )
