"""A trial: one dataset, protocol, model configuration and seed, fully resolved.

A trial is the unit of work, of storage and of resumption. Its id is a readable prefix and a hash of
everything that shapes its result. The same trial of two suites is therefore stored once.
"""

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, JsonValue, field_validator

from lrbench.config.base import FrozenConfig
from lrbench.config.interventions import Intervention
from lrbench.config.protocol import Protocol
from lrbench.config.training import TrainingConfig

__all__ = ["EvaluationConfig", "StageConfig", "TrialConfig"]


class EvaluationConfig(FrozenConfig):
    """At which depths, and over how many draws of the initial noise, a trained model is ranked."""

    depths: tuple[int, ...] = Field(default=(0,), min_length=1)
    """Numbers of latent reasoning steps; (0,) for a model that does not reason."""

    draws: int = Field(default=1, ge=1)
    """Draws of the initial latent noise per user; 1 where inference has no noise."""

    latents: Literal["own", "noise"] = "own"
    """What a reasoning step gets from the one before: its state, or noise of the same size (a control)."""

    interventions: tuple[Intervention, ...] = ()
    """Changes of the latent state under which test targets are ranked in addition, at the model's own
    depth."""

    @field_validator("depths")
    @classmethod
    def _ordered(cls, depths: tuple[int, ...]) -> tuple[int, ...]:
        if min(depths) < 0:
            raise ValueError("a depth cannot be negative")
        return tuple(sorted(set(depths)))


class StageConfig(FrozenConfig):
    """One training stage with its settings."""

    name: str
    training: TrainingConfig

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that shape results."""
        return {"name": self.name, "training": self.training.identity}


class TrialConfig(FrozenConfig):
    """Everything that shapes a trial's result."""

    dataset: str
    """The true dataset name."""

    fingerprint: str
    """The prepared dataset's fingerprint."""

    protocol: Protocol
    model: str
    """The registered model name."""

    plugin: str | None = None
    """Where a model of others comes from, see `lrbench.registry.model_origin`; `None`: it is of lrbench."""

    params: dict[str, JsonValue]
    """The model's whole configuration, defaults included."""

    stages: tuple[StageConfig, ...]
    evaluation: EvaluationConfig
    seed: int
    search: str | None = None
    """The search that chose the settings (``results/searches``); `None`: they were not tuned."""

    @property
    def training_ids(self) -> tuple[str, ...]:
        """For each stage, a hash of everything that shaped the weights at its end.

        The evaluation and later stages are left out. The last hash is that of the whole training.
        """
        values = self._identity()
        del values["evaluation"]
        stages = values.pop("stages")
        return tuple(_digest(values | {"stages": stages[:count]}) for count in range(1, len(stages) + 1))

    @property
    def id(self) -> str:
        """The readable prefix and a hash of the whole configuration without the protocol's ``summary``."""
        return f"{self.prefix}{_digest(self._identity())}"

    def _identity(self) -> dict[str, Any]:
        """Everything that decides what is trained and ranked."""
        values = self.model_dump(mode="json", exclude={"protocol", "stages"})
        values |= {"protocol": self.protocol.identity, "stages": [stage.identity for stage in self.stages]}
        if not self.evaluation.interventions:  # as in trials of versions that knew none
            del values["evaluation"]["interventions"]
        if self.search is None:  # as in trials of versions that did not tune
            del values["search"]
        return values

    @property
    def prefix(self) -> str:
        """The readable beginning of the id."""
        return f"{self.dataset}-{self.protocol.name}-{self.model}-s{self.seed}-"


def _digest(values: dict[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
