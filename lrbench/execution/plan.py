"""From a suite to trials: every configuration resolved and checked before anything trains."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from lrbench.config.base import parse_config
from lrbench.config.protocol import Protocol, protocol
from lrbench.config.suite import Entry, Suite, merge_tables
from lrbench.config.training import TrainingConfig
from lrbench.config.trial import EvaluationConfig, StageConfig, TrialConfig
from lrbench.errors import RequestError, did_you_mean
from lrbench.models.base import GradientStage, Model, ModelConfig
from lrbench.registry import MODELS
from lrbench.store.suites import Cell, SuiteRecord

__all__ = ["Plan", "PlannedTrial", "Row", "make_plan", "resolve_rows"]

REASONING_DEPTHS = tuple(range(9))
"""Depths at which reasoning models are ranked unless a suite says otherwise: 0 to 8."""


@dataclass(frozen=True)
class Row:
    """One label of a suite with its model's configuration, independent of data and seed."""

    label: str
    model_name: str
    model: type[Model]
    config: ModelConfig
    params: dict[str, JsonValue]
    stages: tuple[StageConfig, ...]
    evaluation: EvaluationConfig

    @property
    def depth(self) -> int:
        """The depth that reports use."""
        return self.model.configured_depth(self.config)

    def trial(self, dataset: str, fingerprint: str, rules: Protocol, seed: int) -> TrialConfig:
        """The trial of this row on one dataset with one seed."""
        return TrialConfig(
            dataset=dataset,
            fingerprint=fingerprint,
            protocol=rules,
            model=self.model_name,
            params=self.params,
            stages=self.stages,
            evaluation=self.evaluation,
            seed=seed,
        )


@dataclass(frozen=True)
class PlannedTrial:
    """A trial and the labels that share it."""

    config: TrialConfig
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a suite asks for."""

    suite: Suite
    rules: Protocol
    rows: tuple[Row, ...]
    trials: tuple[PlannedTrial, ...]  # each once, in the order of the suite: dataset, seed, row
    record: SuiteRecord


def resolve_rows(suite: Suite) -> tuple[Row, ...]:
    """Check every row's options against its model.

    Raises:
        RequestError: an unknown model, option, stage or setting, or an impossible combination.
    """
    rules = protocol(suite.protocol)
    return tuple(_row(entry, suite, rules) for entry in suite.models)


def make_plan(suite: Suite, rows: Sequence[Row], datasets: Mapping[str, str]) -> Plan:
    """Make the trials of a suite.

    Args:
        suite: the resolved suite; its ``datasets`` are replaced by the keys of ``datasets``.
        rows: from :func:`resolve_rows`.
        datasets: true dataset name → fingerprint of its prepared form.
    """
    rules = protocol(suite.protocol)
    labels: dict[str, list[str]] = {}
    configs: dict[str, TrialConfig] = {}
    cells = []
    for name, fingerprint in datasets.items():
        for seed in suite.seeds:
            for row in rows:
                if row.model.deterministic and seed != suite.seeds[0]:
                    continue  # trained once: another seed would give the same ranks
                trial_seed = 0 if row.model.deterministic else seed
                config = row.trial(name, fingerprint, rules, trial_seed)
                configs.setdefault(config.id, config)
                sharing = labels.setdefault(config.id, [])
                if row.label not in sharing:
                    sharing.append(row.label)
                cells.append(Cell(label=row.label, dataset=name, seed=trial_seed, trial=config.id))
    record = SuiteRecord(
        name=suite.name,
        protocol=rules,
        datasets=tuple(datasets),
        labels=tuple(row.label for row in rows),
        seeds=suite.seeds,
        primary_metric=suite.primary_metric,
        proposed=suite.proposed,
        definition=_definition(rows, rules),
        trials=tuple(cells),
    )
    trials = tuple(PlannedTrial(configs[id_], tuple(labels[id_])) for id_ in configs)
    return Plan(suite, rules, tuple(rows), trials, record)


def _row(entry: Entry, suite: Suite, rules: Protocol) -> Row:
    where = f'"{entry.label}"'
    model = MODELS.load(str(entry.model))
    config = parse_config(model.Config, entry.params, f"{where} ({entry.model})")
    stages = _stages(entry, model, suite, where)
    try:
        config.check(rules.max_length, [stage.name for stage in stages])
        _check_rows(model, config, stages)
    except ValueError as error:
        raise RequestError(f"{where}: {error}.") from None
    depth = model.configured_depth(config)
    depths: tuple[int, ...] = (0,)
    if depth:
        declared = REASONING_DEPTHS if suite.evaluation.depths is None else suite.evaluation.depths
        depths = (*declared, depth)
    draws = suite.evaluation.draws if model.noisy(config) else 1
    return Row(
        label=entry.label,
        model_name=str(entry.model),
        model=model,
        config=config,
        params=config.model_dump(mode="json"),
        stages=stages,
        evaluation=parse_config(EvaluationConfig, {"depths": depths, "draws": draws}, "evaluation"),
    )


def _check_rows(model: type[Model], config: ModelConfig, stages: Sequence[StageConfig]) -> None:
    """Refuse to train on all positions at once where a state depends on later items."""
    for stage in stages:
        kind = model.stages[stage.name]
        if not issubclass(kind, GradientStage) or stage.training.rows != "positions":
            continue
        if kind.training_rows(model, config) == "prefixes":
            raise ValueError(
                f'rows = "positions" in stage {stage.name} would let states see the items that they shall '
                'predict, as the network is not causal; leave it out, or say rows = "prefixes"'
            )


def _stages(entry: Entry, model: type[Model], suite: Suite, where: str) -> tuple[StageConfig, ...]:
    """Settings of each stage: the suite's, under the model's authors' for the stage, under the row's own.

    What ``training.stages.NAME`` says, in the suite or in the row, stands above everything.
    """
    names = model.default_stages if entry.stages is None else entry.stages
    if not names:
        raise RequestError(f"{where}: no stage is left to train.", f"Stages: {', '.join(model.stages)}.")
    common = {key: value for key, value in suite.training.items() if key != "stages"}
    own = {key: value for key, value in entry.training.items() if key != "stages"}
    by_stage = merge_tables(_table(suite.training, where), _table(entry.training, where))
    for name in by_stage:
        if not any(name in MODELS.load(str(other.model)).stages for other in suite.models):
            raise RequestError(
                f'{where}: training.stages names "{name}", a stage of no model here.',
                did_you_mean(name, model.stages),
            )
    stages = []
    for name in names:
        if name not in model.stages:
            raise RequestError(f'{where}: there is no stage "{name}".', did_you_mean(name, model.stages))
        values: dict[str, Any] = {**common, **model.stage_defaults.get(name, {}), **own}
        values |= by_stage.get(name, {})
        training = parse_config(TrainingConfig, values, f"{where}, training of stage {name}")
        stages.append(StageConfig(name=name, training=training))
    return tuple(stages)


def _table(training: Mapping[str, Any], where: str) -> dict[str, Any]:
    stages = training.get("stages", {})
    if not isinstance(stages, dict) or not all(isinstance(value, dict) for value in stages.values()):
        raise RequestError(f"{where}: training.stages is not a table of tables.", "[training.stages.NAME]")
    return stages


def _definition(rows: Sequence[Row], rules: Protocol) -> str:
    """Hash of what the rows mean, so that results of an edited suite are not mixed with older ones."""
    parts = [row.trial("", "", rules, 0).model_dump_json() + row.label for row in rows]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
