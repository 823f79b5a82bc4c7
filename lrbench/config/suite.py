"""Suite files: datasets × models (with variants and grids) × seeds under one protocol.

Reading a suite resolves ``extends`` and ``grid`` into one entry per row. The model's own configuration class
checks ``params`` later. Only then are labels checked to differ, since a misspelt option of a grid leaves its
rows alike.
"""

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Any

from pydantic import Field, JsonValue, ValidationInfo, field_validator, model_validator

from lrbench.bounds import LARGEST_SEED, MOST_DRAWS, MOST_ROWS, MOST_SEEDS, MOST_STEPS
from lrbench.config.accounts import Accounts
from lrbench.config.base import FrozenConfig, Label, Name, parse_config
from lrbench.config.controls import CONTROLS, Control
from lrbench.config.interventions import INTERVENTIONS, Intervention
from lrbench.config.protocol import Protocol, find_protocol
from lrbench.config.tuning import Tune, parse_space
from lrbench.errors import RequestError, did_you_mean
from lrbench.metrics import metric_function
from lrbench.names import label_fault
from lrbench.toml_files import parse_toml, read_text
from lrbench.wording import some_of

__all__ = ["Entry", "Suite", "SuiteFile", "merge_tables", "read_suite_file", "resolve_suite"]

Table = dict[str, JsonValue]


Names = tuple[str, ...]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_SEEDS)]
Depth = Annotated[int, Field(ge=0, le=MOST_STEPS)]


class Entry(FrozenConfig):
    """One ``[[models]]`` table, as written."""

    label: Label
    """The row's name; ``{option}`` is replaced by the option's value in a grid."""

    model: Name | None = None
    """A registered model; taken over from ``extends`` when absent."""

    extends: str | None = None
    """The label of the entry whose settings this one starts from."""

    params: Table = Field(default_factory=dict)
    """Options of the model; the others keep the model's defaults."""

    stages: Names | None = None
    """Training stages to run; none: the model's own."""

    training: Table = Field(default_factory=dict)
    """Training settings of this model, over those of the suite; ``stages.NAME`` for one stage alone."""

    accounts: Table = Field(default_factory=dict)
    """Settings of this row's accounts, over those of the suite (protocol ``shared-merge``)."""

    controls: tuple[Control, ...] = ()
    """Controls that isolate what reasoning brings, or "all"; each becomes a row of its own behind this."""

    search: Table = Field(default_factory=dict)
    """Options that are tuned in this row, over those of ``[tune.space]``."""

    tune: bool = True
    """Whether the row is tuned where the suite tunes; with ``false`` it keeps its settings."""

    settings_of: str | None = None
    """The label of a tuned row above, whose chosen settings this row takes instead of a search of its own."""

    grid: dict[str, list[JsonValue]] = Field(default_factory=dict)
    """Options with a list of values each: one row per combination; ``training.NAME``: a training setting."""

    @field_validator("grid")
    @classmethod
    def _values_to_try(cls, grid: dict[str, list[JsonValue]]) -> dict[str, list[JsonValue]]:
        for option, values in grid.items():
            if not values:
                raise ValueError(f"there is no value for {option}; list some, or leave it out of the grid")
        return grid

    @field_validator("controls", mode="before")
    @classmethod
    def _known_controls(cls, controls: Any) -> Any:
        if controls == "all":
            return tuple(CONTROLS)
        return tuple(controls) if isinstance(controls, list) else controls


class EvaluationTable(FrozenConfig):
    """``[evaluation]``."""

    depths: Annotated[tuple[Depth, ...], Field(max_length=MOST_STEPS + 1)] | None = None
    """Depths at which reasoning models are ranked besides their own; none: 0 to 8."""

    draws: int = Field(default=1, ge=1, le=MOST_DRAWS)
    """Draws of the initial noise per user, for models that have any."""

    interventions: tuple[Intervention, ...] = ()
    """Changes of the latent with which reasoning models are ranked besides, or "all"."""

    @field_validator("interventions", mode="before")
    @classmethod
    def _known_interventions(cls, given: Any) -> Any:
        return tuple(INTERVENTIONS) if given == "all" else tuple(given) if isinstance(given, list) else given


class ComparisonTable(FrozenConfig):
    """``[comparison]``."""

    proposed: Names = ()
    """Labels that are tested: against other systems, and against their own controls."""

    against: Names = ()
    """Labels that the proposed ones are tested against as systems; none: all that are no control."""

    margin: float = Field(default=0.02, gt=0, lt=1)
    """Differences below this share of the other row's mean do not matter in practice."""


class SuiteFile(FrozenConfig):
    """A suite file, as written."""

    name: Name
    """The name of the suite; its results are listed under it."""

    protocol: str
    datasets: tuple[Name, ...] = Field(min_length=1)
    seeds: Seeds = (1, 2, 3, 4, 5)
    dataset_seeds: dict[Name, Seeds] = Field(default_factory=dict)
    """Seeds of single datasets, instead of ``seeds``: a large one may have fewer."""

    primary_metric: str = "ndcg@10"
    training: Table = Field(default_factory=dict)
    evaluation: EvaluationTable = EvaluationTable()
    models: tuple[Entry, ...] = Field(min_length=1)
    comparison: ComparisonTable = ComparisonTable()
    accounts: Accounts | None = None
    """How accounts are made under the protocol ``shared-merge``; `None`: as the protocol has it."""

    tune: Tune | None = None
    """How settings are searched for; `None`: every row keeps its own."""

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
                raise ValueError(f"dataset_seeds names {dataset}, which is not among the datasets")
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


class Suite(FrozenConfig):
    """A suite with every row spelled out: no ``extends`` and no ``grid`` left."""

    name: str
    protocol: Protocol
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    dataset_seeds: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    primary_metric: str
    training: Table
    evaluation: EvaluationTable
    models: tuple[Entry, ...]
    comparison: ComparisonTable
    tune: Tune | None = None
    text: str = ""
    """The file as written."""

    def seeds_for(self, dataset: str) -> tuple[int, ...]:
        """Return the seeds with which the rows are trained on a dataset."""
        return self.dataset_seeds.get(dataset, self.seeds)


def read_suite_file(path: Path) -> Suite:
    """Read and resolve a suite file.

    Raises:
        RequestError: it cannot be read, or something in it is wrong.
    """
    text = read_text(path, "suite file")
    values = parse_toml(text, path, "suite file")
    suite = resolve_suite(parse_config(SuiteFile, values, str(path)), str(path))
    return suite.model_copy(update={"text": text})


def resolve_suite(file: SuiteFile, where: str) -> Suite:
    """Spell out every row of a suite file."""
    rows: list[Entry] = []
    resolved: dict[str, Entry] = {}
    for entry in file.models:
        expanded = _expand(_inherit(entry, resolved, where), where)
        _check_search(entry, file.tune, where)
        _check_settings_of(expanded[0], resolved, file.tune, where)
        rows += expanded
        if len(rows) > MOST_ROWS:
            raise RequestError(f"{where} has more than {MOST_ROWS:,} rows.", "Make several suites of it.")
        resolved |= {row.label: row for row in expanded}
    _check_comparison(file.comparison, resolved, where)
    if file.tune is not None:
        parse_space(file.tune.space, f"{where}, tune.space")
    protocol = find_protocol(file.protocol)
    return Suite(
        name=file.name,
        protocol=protocol if file.accounts is None else protocol.sharing(file.accounts),
        datasets=file.datasets,
        seeds=file.seeds,
        dataset_seeds=file.dataset_seeds,
        primary_metric=file.primary_metric,
        training=file.training,
        evaluation=file.evaluation,
        models=tuple(rows),
        comparison=file.comparison,
        tune=file.tune,
    )


def _check_search(entry: Entry, tune: Tune | None, where: str) -> None:
    if not entry.search:
        return
    if tune is None:
        raise RequestError(
            f'{where}: the row "{entry.label}" has a search, and the suite has no budget for it.',
            "Add a table [tune] with trials = 20, or leave the search out.",
        )
    if not entry.tune:
        raise RequestError(
            f'{where}: the row "{entry.label}" has a search and says tune = false.',
            "Leave one of the two out.",
        )
    parse_space(entry.search, f'{where}, search of "{entry.label}"')


def _check_settings_of(entry: Entry, above: Mapping[str, Entry], tune: Tune | None, where: str) -> None:
    """Refuse settings of a row that no search chooses."""
    if entry.settings_of is None:
        return
    place = f'{where}: the row "{entry.label}" has settings_of'
    if tune is None:
        raise RequestError(f"{place}, and the suite does not tune.", "Add a table [tune], or leave it out.")
    if not entry.tune:
        raise RequestError(f"{place} and says tune = false.", "Leave one of the two out.")
    if entry.settings_of not in above:
        raise RequestError(
            f'{place} = "{entry.settings_of}", which is no label above it.',
            did_you_mean(entry.settings_of, above),
        )
    source = above[entry.settings_of]
    if not source.tune or source.settings_of is not None:
        raise RequestError(
            f'{place} = "{entry.settings_of}", which has no search of its own.', "Name a row that is tuned."
        )


def _check_comparison(comparison: ComparisonTable, labels: Mapping[str, Entry], where: str) -> None:
    for option, names in (("proposed", comparison.proposed), ("against", comparison.against)):
        for name in names:
            if name not in labels:
                raise RequestError(
                    f'{where}: comparison.{option} names "{name}", which is no label.',
                    did_you_mean(name, labels),
                )
    for name in comparison.against:
        if name in comparison.proposed:
            raise RequestError(
                f'{where}: comparison.against names "{name}", which is proposed itself.',
                "Leave it out of one of the two lists.",
            )


def _inherit(entry: Entry, resolved: Mapping[str, Entry], where: str) -> Entry:
    """Start from the entry that this one extends, which must stand before it."""
    if entry.settings_of is not None and entry.search:
        raise RequestError(
            f'{where}: the row "{entry.label}" has a search and settings_of.', "Leave one of the two out."
        )
    if entry.extends is None:
        if entry.model is None:
            raise RequestError(
                f'{where}: the row "{entry.label}" has neither "model" nor "extends".', "Add one of them."
            )
        return entry
    if entry.extends not in resolved:
        raise RequestError(
            f'{where}: "{entry.label}" extends "{entry.extends}", which is no label above it.',
            did_you_mean(entry.extends, resolved) or 'Write "model" for the first row.',
        )
    parent = resolved[entry.extends]
    settings_of = entry.settings_of or parent.settings_of
    if settings_of is not None:
        search = {**(parent.search if parent.settings_of else {}), **_kept(entry)}
    else:
        search = merge_tables(parent.search, entry.search) if entry.tune else {}
    return Entry(
        label=entry.label,
        model=entry.model or parent.model,
        params={**parent.params, **entry.params},
        stages=parent.stages if entry.stages is None else entry.stages,
        training=merge_tables(parent.training, entry.training),
        accounts={**parent.accounts, **entry.accounts},
        search=search,
        tune=entry.tune,
        settings_of=settings_of,
        controls=entry.controls,
        grid=entry.grid,
    )


def _kept(entry: Entry) -> Table:
    """Return the options that a row sets itself, in the form of a search that has one value each."""
    training = {f"training.{name}": value for name, value in entry.training.items() if name != "stages"}
    return {option: [value] for option, value in {**entry.params, **training}.items()}


def _expand(entry: Entry, where: str) -> list[Entry]:
    """One row for each combination of the grid's values."""
    rows = []
    size = math.prod(len(values) for values in entry.grid.values())
    if size > MOST_ROWS:
        raise RequestError(
            f'{where}: the grid of "{entry.label}" has {size:,} combinations.',
            f"A grid may have {MOST_ROWS:,}; list fewer values.",
        )
    for values in itertools.product(*entry.grid.values()):
        chosen = dict(zip(entry.grid, values, strict=True))
        params, training, accounts = dict(entry.params), dict(entry.training), dict(entry.accounts)
        for key, value in chosen.items():
            if key.startswith("training."):
                training[key.removeprefix("training.")] = value
            elif key.startswith("accounts."):
                accounts[key.removeprefix("accounts.")] = value
            else:
                params[key] = value
        label = _filled(entry.label, {**accounts, **params, **chosen, **training}, where)
        rows.append(
            entry.model_copy(
                update={
                    "label": label,
                    "params": params,
                    "training": training,
                    "accounts": accounts,
                    "search": entry.search
                    | {key: [value] for key, value in chosen.items()},  # no more to search
                    "grid": {},
                }
            )
        )
    return rows


def _filled(label: str, options: Mapping[str, Any], where: str) -> str:
    """Put the values of options in place of ``{option}``; ``{{`` and ``}}`` are braces."""
    parts = []
    try:
        for text, option, form, conversion in Formatter().parse(label):
            if form or conversion:
                raise ValueError(f"{{{option}}} takes no format")
            if option is not None and option not in options:
                raise ValueError(f'there is no option "{option}"')
            parts.append(text + (str(options[option]) if option is not None else ""))
    except ValueError as error:  # the parser's own are about braces without a partner
        known = some_of(list(options)) or "it has none"
        raise RequestError(
            f'{where}: the label "{label}" cannot be filled in: {error}.',
            f"Name options of this row's params or grid in braces: {known}. "
            "For a brace itself write it twice, {{ or }}.",
        ) from None
    if fault := label_fault("".join(parts)):
        raise RequestError(f'{where}: the label "{label}", filled in, is no label: {fault}.', "Shorten it.")
    return "".join(parts)


def merge_tables(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two tables; nested tables are merged too."""
    merged = dict(under)
    for key, value in over.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge_tables(merged[key], value) if nested else value
    return merged
