"""One search from its configuration to its record: settings are tried one after the other.

A trial of a search is trained like any other trial. Its value is the selection metric on the validation
targets, at the configured depth of its model. Test targets are never ranked.
"""

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue

from lrbench.config.base import parse_config
from lrbench.config.training import TrainingConfig
from lrbench.config.trial import StageConfig, TrialConfig
from lrbench.config.tuning import TRAINING, SearchConfig
from lrbench.data.dataset import PreparedDataset, load_prepared
from lrbench.data.sequences import Split
from lrbench.data.splitting import split
from lrbench.errors import LrbenchError
from lrbench.execution.order import TrialOrder
from lrbench.execution.train_and_rank import build_model
from lrbench.execution.tuning.proposals import Proposal, propose
from lrbench.registry import MODELS
from lrbench.seeds import make_deterministic
from lrbench.store.layout import CHECKPOINT_FILE
from lrbench.store.searches import SearchRecord, SearchTrial, read_ended, write_ended, write_search
from lrbench.training.checkpoint import Checkpoint, UnusableCheckpointError, load_checkpoint, set_aside
from lrbench.training.news import EpochDone
from lrbench.training.trainer import selection_metric, train
from lrbench.versions import versions

__all__ = ["run_search"]

log = logging.getLogger(__name__)


class _PrunedError(Exception):
    """The trial is ended early, since earlier trials were better at the same epoch."""


def run_search(
    order: TrialOrder, watch: Callable[[EpochDone], None], note: Callable[[str], None] = log.warning
) -> SearchRecord:
    """Try settings until the budget is spent, and write the search's record.

    An interrupted search goes on from its last checkpoint.

    On one machine and device, with one number of threads, the same order gives identical results.

    Args:
        order: its ``config`` is the search.
        watch: called after every epoch.
        note: called with a sentence that the user should read.

    Raises:
        LrbenchError: every trial failed, so that there is nothing to choose.
    """
    config, started, code = order.config, datetime.now(UTC), versions()
    assert isinstance(config, SearchConfig)
    running = order.results.running(config.id)
    if order.fresh:
        shutil.rmtree(running, ignore_errors=True)
    running.mkdir(parents=True, exist_ok=True)
    make_deterministic()
    torch.set_num_threads(order.threads)
    dataset = load_prepared(order.dataset_folder)
    parts = _some_users(split(dataset.sequences, config.protocol), config.users, config.seed)
    ended = read_ended(order.results, config.id)
    while len(ended) < config.trials:
        attempt = _Attempt(order, config, dataset, parts, propose(config, ended), len(ended), watch, note)
        ended.append(attempt.run())
        write_ended(order.results, config.id, ended)
        (running / CHECKPOINT_FILE).unlink(missing_ok=True)
    complete = [trial for trial in ended if trial.state == "complete" and trial.value is not None]
    if not complete:
        raise LrbenchError(
            f"All {config.trials} trials of the search failed. The last one: {ended[-1].reason}",
            "Change the space, or the settings of the row.",
        )
    record = SearchRecord(
        id=config.id,
        config=config,
        metric=config.protocol.selection_metric,
        trials=tuple(ended),
        chosen=max(complete, key=lambda trial: (trial.value, -trial.number)).number,
        users=len(np.unique(parts.valid.users)),
        seconds=sum(trial.seconds for trial in ended),
        device=order.device,
        threads=torch.get_num_threads(),
        versions=code,
        started=started,
        ended=datetime.now(UTC),
    )
    write_search(record, order.results)
    shutil.rmtree(running, ignore_errors=True)
    shutil.rmtree(order.results.failed(config.id), ignore_errors=True)
    return record


@dataclass
class _Attempt:
    """One trial of a search."""

    order: TrialOrder
    search: SearchConfig
    dataset: PreparedDataset
    parts: Split
    proposal: Proposal
    number: int
    watch: Callable[[EpochDone], None]
    note: Callable[[str], None]

    def __post_init__(self) -> None:
        self.curve: list[tuple[int, float]] = []
        self.epochs = 0

    def run(self) -> SearchTrial:
        """Train and validate with the proposed settings. A failure is one of the outcomes, and not raised."""
        started, settings = time.perf_counter(), self.proposal.settings
        reason, value = "", None
        try:
            value, state = self._value(_changed(self.search, settings)), "complete"
        except _PrunedError:
            value, state = self.curve[-1][1], "pruned"
        except (LrbenchError, ValueError, ArithmeticError) as error:  # impossible settings, or divergence
            reason, state = str(error).splitlines()[0], "failed"
        return SearchTrial.model_validate(
            {
                "number": self.number,
                "settings": settings,
                "state": state,
                "value": value,
                "curve": tuple(self.curve),
                "epochs": self.epochs,
                "seconds": time.perf_counter() - started,
                "reason": reason,
            }
        )

    def _value(self, config: TrialConfig) -> float:
        """Train, and return the selection metric on validation."""
        device, file = torch.device(self.order.device), self._checkpoint_file()
        saved = self._saved(config)
        model = build_model(config, self.dataset, device)
        train(model, config, self.parts, device, file, self._see, saved)
        depth = model.configured_depth(model.config)
        return selection_metric(model, self.parts.valid, config.protocol, depth, config.seed, device)

    def _saved(self, config: TrialConfig) -> Checkpoint | None:
        """Return the checkpoint of this trial, and restore the curve from it; ``None``: it has none."""
        try:
            saved = load_checkpoint(self._checkpoint_file(), config.id)
        except UnusableCheckpointError as error:
            aside = set_aside(self._checkpoint_file())
            self.note(f"{error.cause} It is kept as {aside.name}. Trial {self.number + 1} starts again.")
            return None
        for epoch in saved.history if saved is not None else ():
            self.epochs += 1
            self._add_validation(epoch["validation_metric"])
        return saved

    def _add_validation(self, metric: float | None) -> float | None:
        """Add a validation to the curve, and return the best metric so far; ``None``: there was none."""
        if metric is None:
            return None
        best = max([metric, *(value for _, value in self.curve)])
        self.curve.append((self.epochs, best))
        return best

    def _checkpoint_file(self) -> Path:
        return self.order.results.running(self.search.id) / CHECKPOINT_FILE

    def _see(self, report: EpochDone) -> None:
        """Pass on the news of an epoch under the search's id, and prune the trial if it is hopeless."""
        self.epochs += 1
        stage = f"{self.number + 1}/{self.search.trials} {report.stage}"
        self.watch(report.model_copy(update={"trial": self.search.id, "stage": stage}))
        best = self._add_validation(report.metric)
        if best is not None and self.proposal.hopeless(self.epochs, best):
            raise _PrunedError


def _changed(search: SearchConfig, settings: Mapping[str, JsonValue]) -> TrialConfig:
    """Return the trial of the search's row with other settings.

    Raises:
        RequestError: the model or a stage does not take one of them.
        ValueError: the model cannot have them together.
    """
    kind = MODELS.load(search.model)
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
    return TrialConfig(**values | {"params": config.model_dump(mode="json"), "stages": stages})


def _some_users(parts: Split, count: int | None, seed: int) -> Split:
    """Draw ``count`` users at random, and keep their training sequences and validation targets.

    All items and all test targets stay. ``count`` of ``None``: all users.
    """
    users = np.unique(parts.valid.users)
    if count is None or count >= len(users):
        return parts
    drawn = np.random.default_rng(np.random.SeedSequence(entropy=seed)).choice(users, count, replace=False)
    view = parts.train
    owners = np.arange(len(view.starts)) if view.users is None else view.users
    kept = np.isin(owners, drawn)
    train_view = replace(view, starts=view.starts[kept], stops=view.stops[kept], users=owners[kept])
    valid = parts.valid.reordered(np.flatnonzero(np.isin(parts.valid.users, drawn)))
    return Split(train_view, valid, parts.test)
