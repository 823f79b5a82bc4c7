"""Tuning: how settings are searched for on validation targets, with the same budget for every row.

A space maps options of a model, or training settings with the prefix ``training.``, to the values to try. A
list holds values to choose from. A table with ``low`` and ``high`` is a range.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, model_validator

from lrbench.bounds import LARGEST_SEED, MOST_SEARCH_TRIALS, MOST_SEEDS
from lrbench.config.base import FrozenConfig, parse_config
from lrbench.config.trial import TrialConfig
from lrbench.errors import RequestError
from lrbench.wording import counted

__all__ = ["TRAINING", "Choice", "Range", "SearchConfig", "Space", "Tune", "parse_space"]

TRAINING = "training."
"""The prefix of training settings in a space."""

Sampler = Literal["random", "tpe"]
Pruning = Literal["none", "median"]


class Choice(FrozenConfig):
    """A list of values, all equally likely at first."""

    values: tuple[JsonValue, ...] = Field(min_length=2)
    """Values to choose from. A single value belongs in ``params`` or ``training``."""

    @model_validator(mode="after")
    def _distinct(self) -> "Choice":
        if any(value in self.values[:place] for place, value in enumerate(self.values)):
            raise ValueError("a value is listed twice. List each once.")
        return self


class Range(FrozenConfig):
    """All numbers from ``low`` to ``high``, both included."""

    low: float
    """The smallest value."""

    high: float
    """The largest value."""

    log: bool = False
    """Whether to draw on a logarithmic scale."""

    whole: bool = False
    """Whether only whole numbers are drawn. It is set automatically for options that take whole numbers."""

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if self.low >= self.high:
            raise ValueError("low must be below high. Swap them, or set the single value without a range.")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range must begin above 0. Raise low, or leave log out.")
        return self


Space = dict[str, Choice | Range]
"""Maps each option to the values that are tried."""


class Tune(FrozenConfig):
    """``[tune]``: the budget and the method of the search."""

    trials: int = Field(ge=1, le=MOST_SEARCH_TRIALS)
    """Number of settings that are tried for every row on every dataset."""

    sampler: Sampler = "tpe"
    """``random``: independent draws. ``tpe``: tree-structured Parzen estimators (Bergstra et al. 2011)."""

    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    """Seed of the search and of its trainings. It must not be among the suite's seeds."""

    pruning: Pruning = "median"
    """``median``: end a trial whose validation metric is below the median of earlier ones at its epoch."""

    warm_up: int = Field(default=10, ge=0)
    """Epochs that every trial trains before it can be pruned. Metrics of early epochs say little."""

    finalists: int = Field(default=1, ge=1)
    """Number of best settings that are trained again with other seeds. The best mean of these runs wins. With
    1, the best trial wins, which may be a lucky one."""

    finalist_runs: int = Field(default=2, ge=1, le=MOST_SEEDS)
    """Runs of each finalist. Their seeds are those after ``seed``."""

    users: int | None = Field(default=None, ge=1)
    """How many users are drawn to train and validate on while tuning. Where users share accounts, whole
    accounts are drawn, which have about so many users. Not set: all."""

    controls: Literal["inherit", "own"] = "inherit"
    """``inherit``: controls take the settings that were chosen for their model. ``own``: controls that are
    trained without steps, and whose size is not matched, search the shared space with the same budget."""

    space: dict[str, JsonValue] = Field(default_factory=dict)
    """Options to search, in every row that has them."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of all trainings: that of the trials, then those of the finalists' runs."""
        runs = self.finalist_runs if self.finalists > 1 else 0
        return tuple(range(self.seed, self.seed + runs + 1))

    @property
    def budget(self) -> str:
        """What every search trains, e.g. ``20 trials and 6 runs of finalists``."""
        runs = f" and {counted(self.finalists * self.finalist_runs, 'run')} of finalists"
        return f"{counted(self.trials, 'trial')}{runs if self.finalists > 1 else ''}"

    @model_validator(mode="after")
    def _possible(self) -> "Tune":
        if self.finalists > self.trials:
            raise ValueError(
                f"{self.finalists} finalists need as many trials. Raise trials, or lower finalists."
            )
        if self.seeds[-1] > LARGEST_SEED:
            raise ValueError(f"seed must leave room for those of finalists. Choose one below {LARGEST_SEED}.")
        return self


class SearchConfig(TrialConfig):
    """One search: everything that decides which settings it chooses.

    The inherited fields hold the row's own settings, which the space changes. ``seed`` is the tuning seed.
    """

    space: Space
    trials: int
    sampler: Sampler
    pruning: Pruning
    users: int | None
    own_first: bool = False
    """Whether the first trial has the row's own settings. Searches of earlier versions drew all settings."""

    warm_up: int = 0
    """Epochs before a trial can be pruned. Searches of earlier versions pruned from the first epoch on."""

    finalists: int = 0
    """Number of best trials whose settings are trained again; 0: the best trial is chosen."""

    finalist_runs: int = 0
    """Runs of each finalist, with the seeds after ``seed``."""

    def _identity(self) -> dict[str, Any]:
        values = super()._identity()
        for name in ("own_first", "warm_up", "finalists", "finalist_runs"):
            if not values[name]:  # as in searches of versions that did not know it
                del values[name]
        return values

    @property
    def trainings(self) -> int:
        """How many trainings the search takes at most."""
        return self.trials + self.finalists * self.finalist_runs

    @property
    def own_settings(self) -> dict[str, JsonValue]:
        """Searched option → the row's own value. Training settings that vary between stages are left out."""
        own: dict[str, JsonValue] = {}
        for option in self.space:
            if option.startswith(TRAINING):
                name = option.removeprefix(TRAINING)
                values = [stage.training.model_dump(mode="json")[name] for stage in self.stages]
            else:
                values = [self.params[option]]
            if all(value == values[0] for value in values):
                own[option] = values[0]
        return own

    @property
    def prefix(self) -> str:
        """The readable beginning of the id."""
        return f"search-{super().prefix}"


def parse_space(table: Mapping[str, Any], where: str) -> Space:
    """Read a search space as a suite file has it.

    Args:
        table: option → list or range; the table ``training`` holds training settings.
        where: the place for messages.

    Raises:
        RequestError: an entry is neither a list with values nor a range.
    """
    space: Space = {}
    for option, written in _flat(table):
        place = f"{where}, {option}"
        if isinstance(written, list):
            space[option] = parse_config(Choice, {"values": written}, place)
        elif isinstance(written, dict):
            space[option] = parse_config(Range, written, place)
        else:
            raise RequestError(
                f"{place}: neither a list of values nor a range.",
                f"Write {option} = [0.1, 0.2] or {option} = {{ low = 0.1, high = 0.5 }}.",
            )
    return space


def _flat(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the options with their values. Those of the table ``training`` get its prefix."""
    inner = table.get("training")
    if not isinstance(inner, dict) or "low" in inner:
        return list(table.items())
    training = [(f"{TRAINING}{option}", value) for option, value in inner.items()]
    return [(option, value) for option, value in table.items() if option != "training"] + training
