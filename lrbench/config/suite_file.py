"""A suite file as written: its tables and what each option means.

``suite.py`` reads such a file and spells out its rows.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, JsonValue, ValidationInfo, field_validator, model_validator

from lrbench.bounds import LARGEST_SEED, MOST_DRAWS, MOST_SEEDS, MOST_STEPS
from lrbench.config.accounts import Accounts
from lrbench.config.base import FrozenConfig, Label, Name
from lrbench.config.controls import CONTROLS, Control
from lrbench.config.interventions import INTERVENTIONS, Intervention
from lrbench.config.protocol import find_protocol
from lrbench.config.tuning import Tune
from lrbench.errors import RequestError, did_you_mean
from lrbench.metrics import metric_function

__all__ = ["ComparisonTable", "Entry", "EvaluationTable", "SuiteFile", "Table"]

Table = dict[str, JsonValue]
Names = tuple[str, ...]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_SEEDS)]
Depth = Annotated[int, Field(ge=0, le=MOST_STEPS)]


def _all_or_some(given: Any, known: Iterable[str]) -> Any:
    """Return all names for ``"all"``, and a list as a tuple. Another word is refused if it is no name."""
    if given == "all":
        return tuple(known)
    if isinstance(given, str) and given not in known:
        raise ValueError(f'it must be "all" or a list in brackets. {did_you_mean(given, ["all", *known])}')
    return tuple(given) if isinstance(given, list) else given


class Entry(FrozenConfig):
    """One ``[[models]]`` table, as written."""

    label: Label
    """The row's name. In a grid, ``{option}`` is replaced by the option's value."""

    model: Name | None = None
    """A registered model. Not set: the model of the entry that this one extends."""

    extends: str | None = None
    """The label of an entry above. This one starts from its settings."""

    params: Table = Field(default_factory=dict)
    """Options of the model; the others keep the model's defaults."""

    stages: Names | None = None
    """Training stages to run. Not set: the model's own."""

    training: Table = Field(default_factory=dict)
    """Training settings of this row, which override those of the suite. ``stages.NAME`` sets them for one
    stage alone."""

    accounts: Table = Field(default_factory=dict)
    """Settings of this row's accounts, which override those of the suite (protocol ``shared-merge``)."""

    controls: tuple[Control, ...] = ()
    """Controls that isolate what reasoning brings, or "all". Each becomes a row of its own after this one."""

    search: Table = Field(default_factory=dict)
    """Options that are tuned in this row. They override those of ``[tune.space]``. In a resolved suite an
    option with a list of one value is not tuned: the grid or the row itself sets it."""

    tune: bool = True
    """Whether the row is tuned if the suite tunes. With ``false`` it keeps its settings."""

    settings_of: str | None = None
    """The label of a tuned row above. This row takes its settings and has no search of its own."""

    grid: dict[str, list[JsonValue]] = Field(default_factory=dict)
    """Options, each with a list of values: one row per combination. ``training.NAME`` is a training setting,
    ``accounts.NAME`` one of accounts."""

    @field_validator("grid")
    @classmethod
    def _values_to_try(cls, grid: dict[str, list[JsonValue]]) -> dict[str, list[JsonValue]]:
        for option, values in grid.items():
            if not values:
                raise ValueError(f"there is no value for {option}; list some, or leave it out of the grid")
        return grid

    @field_validator("controls", mode="before")
    @classmethod
    def _known_controls(cls, given: Any) -> Any:
        return _all_or_some(given, CONTROLS)


class EvaluationTable(FrozenConfig):
    """``[evaluation]``: how trained models are ranked."""

    depths: Annotated[tuple[Depth, ...], Field(max_length=MOST_STEPS + 1)] | None = None
    """Depths at which reasoning models are ranked in addition to their own. Not set: 0 to 8."""

    draws: int = Field(default=1, ge=1, le=MOST_DRAWS)
    """Draws of the initial noise per user, for models with such noise."""

    interventions: tuple[Intervention, ...] = ()
    """Changes of the latent state under which reasoning models are ranked in addition, or "all"."""

    @field_validator("interventions", mode="before")
    @classmethod
    def _known_interventions(cls, given: Any) -> Any:
        return _all_or_some(given, INTERVENTIONS)


class ComparisonTable(FrozenConfig):
    """``[comparison]``: which rows are tested against which."""

    proposed: Names = ()
    """Labels that are tested: against other systems, and against their own controls."""

    against: Names = ()
    """Labels of the systems that proposed rows are tested against. Empty: all rows that are no control."""

    margin: float = Field(default=0.02, gt=0, lt=1)
    """Smallest difference that matters in practice, as a share of the other row's mean."""


class SuiteFile(FrozenConfig):
    """A suite file, as written."""

    name: Name
    """The name of the suite. Its results are listed under it."""

    protocol: str
    """A name that ``lrbench list protocols`` shows."""

    datasets: tuple[Name, ...] = Field(min_length=1)
    """Names or aliases that ``lrbench list datasets`` shows."""

    seeds: Seeds = (1, 2, 3, 4, 5)
    """Every row is trained once per dataset and seed."""

    dataset_seeds: dict[Name, Seeds] = Field(default_factory=dict)
    """Seeds of single datasets, instead of ``seeds``. A large dataset may have fewer."""

    primary_metric: str = "ndcg@10"
    """The metric that tests compare, such as ``ndcg@10`` or ``recall@20``."""

    training: Table = Field(default_factory=dict)
    """Training settings of all rows, which override the defaults."""

    evaluation: EvaluationTable = EvaluationTable()
    """How trained models are ranked."""

    models: tuple[Entry, ...] = Field(min_length=1)
    """The rows, one table ``[[models]]`` each."""

    comparison: ComparisonTable = ComparisonTable()
    """Which rows are tested against which."""

    accounts: Accounts | None = None
    """How accounts are made under the protocol ``shared-merge``. Not set: as the protocol says."""

    tune: Tune | None = None
    """How settings are searched for. Not set: every row keeps its own."""

    @field_validator("seeds", "datasets")
    @classmethod
    def _distinct(cls, given: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        if len(set(given)) < len(given):
            raise ValueError(f"{info.field_name} must be distinct")
        return given

    @field_validator("dataset_seeds")
    @classmethod
    def _distinct_seeds(cls, given: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        for dataset, seeds in given.items():
            if len(set(seeds)) < len(seeds):
                raise ValueError(f"the seeds of {dataset} must be distinct")
        return given

    @model_validator(mode="after")
    def _listed(self) -> "SuiteFile":
        for dataset in self.dataset_seeds:
            if dataset not in self.datasets:
                similar = did_you_mean(dataset, self.datasets)
                raise ValueError(
                    f"dataset_seeds names {dataset}, which is not among the datasets. {similar}".strip()
                )
        return self

    @model_validator(mode="after")
    def _tuned(self) -> "SuiteFile":
        if self.tune is None:
            return self
        given = self.tune.model_fields_set
        if "finalist_runs" in given and self.tune.finalists == 1:
            raise ValueError("tune.finalist_runs needs finalists. Set finalists = 3, or leave it out.")
        if "warm_up" in given and self.tune.pruning == "none":
            raise ValueError('tune.warm_up needs pruning. Set pruning = "median", or leave it out.')
        return self

    @model_validator(mode="after")
    def _known(self) -> "SuiteFile":
        try:
            protocol = find_protocol(self.protocol)
            if self.accounts is not None:
                protocol.sharing(self.accounts)
            metric_function(self.primary_metric)
        except RequestError as error:
            raise ValueError(str(error).rstrip(".")) from None
        return self
