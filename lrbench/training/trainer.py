"""Train a model through its stages, with early stopping, a checkpoint per epoch, and resumption.

The trainer knows stages, not models. Whatever it draws comes from a stream of the trial's seed,
and a checkpoint holds the rest, so a trial that was killed ends with the numbers it would have had.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from lrbench.config.protocol import Protocol
from lrbench.config.training import TrainingConfig
from lrbench.config.trial import StageConfig, TrialConfig
from lrbench.data.batches import TrainingData
from lrbench.data.sequences import EvaluationView, Split
from lrbench.errors import LrbenchError
from lrbench.evaluation.ranking import NonFiniteScoresError, rank_targets
from lrbench.metrics import metric_function
from lrbench.models.base import FitStage, GradientStage, Model
from lrbench.seeds import noise_seed, seed_torch, shuffle_source
from lrbench.store.trials import StageRecord
from lrbench.training.checkpoint import (
    Checkpoint,
    StageProgress,
    Weights,
    fitting,
    load_checkpoint,
    random_state,
    restore_random_state,
)
from lrbench.training.epoch import EpochResult, run_epoch
from lrbench.training.optimiser import Optimiser
from lrbench.training.stopping import reason_to_stop, record_validation

__all__ = ["EpochReport", "Training", "train"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EpochReport:
    """News for whoever watches."""

    stage: str
    epoch: int
    max_epochs: int
    loss: float
    metric: float | None  # none in an epoch without validation
    best_metric: float | None
    validations_left: int  # before patience ends
    seconds: float  # of this epoch with its validation


@dataclass(frozen=True)
class Training:
    """What training left besides the model's weights."""

    stages: tuple[StageRecord, ...]
    history: list[dict[str, Any]]  # one row per epoch and stage
    resumed: int
    taken_over_bytes: int = 0  # largest memory of the trial that trained what was taken over


class _Trainer:
    """The state that the stages of one trial share."""

    def __init__(
        self,
        model: Model,
        config: TrialConfig,
        split: Split,
        device: torch.device,
        checkpoint_file: Path,
        watch: Callable[[EpochReport], None],
        begun: Training | None,
    ) -> None:
        self.model = model
        self.config = config
        self.split = split
        self.device = device
        self.checkpoint_file = checkpoint_file
        self.watch = watch
        self.records: list[StageRecord] = [] if begun is None else list(begun.stages)
        self.history: list[dict[str, Any]] = [] if begun is None else begun.history
        self.resumed = 0
        self.taken_over_bytes = 0 if begun is None else begun.taken_over_bytes

    def run(self) -> Training:
        """Run all stages, from the checkpoint where there is one."""
        saved = load_checkpoint(self.checkpoint_file)
        if saved is not None:
            self.resumed = saved.resumed + 1
            self.history = saved.history
            self.records = [StageRecord.model_validate(values) for values in saved.finished_stages]
            with fitting(self.checkpoint_file):
                self.model.load_state_dict(saved.begin_weights)
            log.info("resumed in stage %d after epoch %d", saved.stage + 1, saved.progress.epoch)
        first = len(self.records)
        for number in range(first, len(self.config.stages)):
            self._run_stage(number, saved if number == first else None)
        return Training(tuple(self.records), self.history, self.resumed, self.taken_over_bytes)

    def _run_stage(self, number: int, saved: Checkpoint | None) -> None:
        stage_config = self.config.stages[number]
        stage = self.model.stages[stage_config.name](self.model)
        seed_torch(self.config.seed, number)
        match stage:
            case FitStage():
                started = time.perf_counter()
                stage.fit(self.split.train)
                seconds = time.perf_counter() - started
                progress = StageProgress(steps=1, seconds=seconds, stopped="fitted")
            case GradientStage():
                progress = self._run_epochs(number, stage_config, stage, saved)
            case _:
                raise LrbenchError(
                    f'Stage "{stage_config.name}" is neither a FitStage nor a GradientStage.',
                    "Derive it from one of them.",
                )
        self.records.append(_record(stage_config.name, progress))
        log.info("stage %s ended: %s", stage_config.name, progress)

    def _run_epochs(
        self, number: int, stage_config: StageConfig, stage: GradientStage, saved: Checkpoint | None
    ) -> StageProgress:
        training = stage_config.training
        rows = training.rows or stage.training_rows()
        data = TrainingData(self.split.train, self.model.max_length, rows, training.long_sequences)
        begin_weights = _copy(self.model)
        keep = stage.begin(data, self.device)
        if data.n_targets == 0 or (keep is not None and not keep.any()):
            raise LrbenchError(
                f'Stage "{stage_config.name}" has nothing to train on.',
                "Use a larger dataset, or a less strict filter of training rows.",
            )
        optimiser = Optimiser(self.model.parameters(), training)
        progress, best_weights = StageProgress(), begin_weights
        if saved is not None:
            progress, best_weights = saved.progress, saved.best_weights
            with fitting(self.checkpoint_file):
                self.model.load_state_dict(saved.weights)
                optimiser.load_state_dict(saved.optimiser)
                restore_random_state(saved.random)
        while progress.stopped is None:
            started = time.perf_counter()
            progress.epoch += 1
            stage.begin_epoch(progress.epoch)
            shuffle = shuffle_source(self.config.seed, number, progress.epoch)
            batches = data.batches(training.batch_size, self.device, shuffle, keep)
            where = f"stage {stage_config.name}, epoch {progress.epoch}"
            result = run_epoch(stage, optimiser, batches, training, self.device, where, progress.losses)
            progress.losses = dict(result.last)
            at_end = f"{where}, after step {result.steps} of the epoch"
            metric = self._validate(stage, progress, training, at_end)
            if metric is not None and record_validation(progress, metric):
                best_weights = _copy(self.model)
            progress.steps += result.steps
            progress.stopped = reason_to_stop(progress, training)
            seconds = time.perf_counter() - started
            progress.seconds += seconds
            self._note(stage_config, progress, result, metric, seconds)
            self._save(number, progress, begin_weights, best_weights, optimiser.state_dict())
        self.model.load_state_dict(best_weights)
        return progress

    def _validate(
        self, stage: GradientStage, progress: StageProgress, training: TrainingConfig, where: str
    ) -> float | None:
        """Return the selection metric, or none in an epoch without validation.

        Raises:
            LrbenchError: the last step ruined the weights; the message names it and the last finite losses.
        """
        if progress.epoch % training.validate_every and progress.epoch != training.max_epochs:
            return None
        protocol, depth = self.config.protocol, stage.selection_depth()
        try:
            return selection_metric(
                self.model, self.split.valid, protocol, depth, self.config.seed, self.device
            )
        except NonFiniteScoresError as error:
            raise LrbenchError(
                f"Scores in validation became NaN or infinite in {where} (depth {depth}); "
                f"the last finite losses were {progress.losses}.",
                error.remedy,
            ) from error

    def _note(
        self,
        stage_config: StageConfig,
        progress: StageProgress,
        result: EpochResult,
        metric: float | None,
        seconds: float,
    ) -> None:
        training = stage_config.training
        self.history.append(
            {
                "stage": stage_config.name,
                "epoch": progress.epoch,
                "learning_rate": training.learning_rate,
                "validation_metric": metric,
                "seconds": seconds,
                "train_seconds": result.seconds,
                "targets": result.targets,
                "tokens_per_second": result.tokens / result.seconds,
                **{name if name == "loss" else f"loss_{name}": value for name, value in result.terms.items()},
            }
        )
        report = EpochReport(
            stage=stage_config.name,
            epoch=progress.epoch,
            max_epochs=training.max_epochs,
            loss=result.terms["loss"],
            metric=metric,
            best_metric=progress.best_metric,
            validations_left=training.patience - progress.validations_without_gain,
            seconds=seconds,
        )
        log.info("%s", report)
        self.watch(report)

    def _save(
        self,
        number: int,
        progress: StageProgress,
        begin_weights: Weights,
        best_weights: Weights,
        optimiser: dict[str, Any],
    ) -> None:
        Checkpoint(
            stage=number,
            progress=progress,
            weights=self.model.state_dict(),
            begin_weights=begin_weights,
            best_weights=best_weights,
            optimiser=optimiser,
            random=random_state(),
            finished_stages=[record.model_dump() for record in self.records],
            history=self.history,
            resumed=self.resumed,
            threads=torch.get_num_threads(),
        ).save(self.checkpoint_file)


def train(
    model: Model,
    config: TrialConfig,
    split: Split,
    device: torch.device,
    checkpoint_file: Path,
    watch: Callable[[EpochReport], None],
    begun: Training | None = None,
) -> Training:
    """Train ``model`` in place through the trial's stages and leave it with the selected weights.

    Args:
        model: freshly initialised from the trial's seed, or with the weights of ``begun``, on ``device``.
        config: the trial.
        split: what to train and select on.
        device: where the model lies.
        checkpoint_file: read if it exists, replaced after every epoch.
        watch: called after every epoch.
        begun: the first stages, if they were run elsewhere; a checkpoint has its own.
    """
    return _Trainer(model, config, split, device, checkpoint_file, watch, begun).run()


def selection_metric(
    model: Model, view: EvaluationView, protocol: Protocol, depth: int, seed: int, device: torch.device
) -> float:
    """The protocol's selection metric on validation at one depth, always with the same noise, unrounded."""
    ranks = rank_targets(model, view, (depth,), noise_seed(seed, "selection", 0), device)
    chosen, ties = ranks.headline(protocol.mask_seen)
    return float(metric_function(protocol.selection_metric)(chosen[0], ties[0]).mean())


def _copy(model: Model) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _record(name: str, progress: StageProgress) -> StageRecord:
    values = asdict(progress)
    return StageRecord(
        name=name,
        epochs=values["epoch"],
        **{key: values[key] for key in ("steps", "seconds", "best_epoch", "best_metric", "stopped")},
    )
