"""Suite files: datasets × models (with variants and grids) × seeds under one protocol.

Reading a suite resolves ``extends`` and ``grid`` into one entry per row. What a model's ``params`` mean is
checked later, by the model's own configuration class, and only then that labels differ: a misspelt option
of a grid leaves its rows alike.
"""

import itertools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from lrbench.config.base import FrozenConfig, parse_config
from lrbench.config.controls import CONTROLS, Control
from lrbench.config.protocol import Protocol, find_protocol
from lrbench.errors import RequestError, did_you_mean
from lrbench.metrics import metric_function

__all__ = ["Entry", "Suite", "SuiteFile", "merge_tables", "read_suite_file", "resolve_suite"]

Table = dict[str, JsonValue]


def _no_bare_name(names: Any) -> Any:
    if isinstance(names, str):
        raise ValueError(f'this is a list of names, as in ["{names}"]')
    return names


Names = Annotated[tuple[str, ...], BeforeValidator(_no_bare_name)]


class Entry(FrozenConfig):
    """One ``[[models]]`` table, as written."""

    label: str
    """The row's name; ``{option}`` is replaced by the option's value in a grid."""

    model: str | None = None
    """A registered model; taken over from ``extends`` when absent."""

    extends: str | None = None
    """The label of the entry whose settings this one starts from."""

    params: Table = Field(default_factory=dict)
    """Options of the model; the others keep the model's defaults."""

    stages: Names | None = None
    """Training stages to run; none: the model's own."""

    training: Table = Field(default_factory=dict)
    """Training settings of this model, over those of the suite; ``stages.NAME`` for one stage alone."""

    controls: tuple[Control, ...] = ()
    """Controls that isolate what reasoning brings, or "all"; each becomes a row of its own behind this."""

    grid: dict[str, list[JsonValue]] = Field(default_factory=dict)
    """Options with a list of values each: one row per combination; ``training.NAME``: a training setting."""

    @field_validator("label")
    @classmethod
    def _named(cls, label: str) -> str:
        if not label.strip():
            raise ValueError("a row needs a name")
        return label

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
        for name in controls if isinstance(controls, list | tuple) else ():
            if name not in CONTROLS:
                raise ValueError(f'there is no control "{name}". {did_you_mean(str(name), CONTROLS)}')
        return controls


class Evaluation(FrozenConfig):
    """``[evaluation]``."""

    depths: tuple[int, ...] | None = None
    """Depths at which reasoning models are ranked besides their own; none: 0 to 8."""

    draws: int = Field(default=1, ge=1)
    """Draws of the initial noise per user, for models that have any."""


class Comparison(FrozenConfig):
    """``[comparison]``."""

    proposed: Names = ()
    """Labels whose comparisons with all others form the confirmatory family."""


class SuiteFile(FrozenConfig):
    """A suite file, as written."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """The name of the suite; its results are listed under it."""

    protocol: str
    datasets: Names = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(1, 2, 3, 4, 5), min_length=1)
    primary_metric: str = "ndcg@10"
    training: Table = Field(default_factory=dict)
    evaluation: Evaluation = Evaluation()
    models: tuple[Entry, ...] = Field(min_length=1)
    comparison: Comparison = Comparison()

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError("seeds must be distinct and not negative")
        return seeds

    @model_validator(mode="after")
    def _known(self) -> "SuiteFile":
        try:
            find_protocol(self.protocol)
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
    primary_metric: str
    training: Table
    evaluation: Evaluation
    models: tuple[Entry, ...]
    proposed: tuple[str, ...]
    text: str = ""
    """The file as written."""


def read_suite_file(path: Path) -> Suite:
    """Read and resolve a suite file.

    Raises:
        RequestError: it cannot be read, or something in it is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read: {error}.", "Give the path of a suite file.") from None
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{path} is not valid TOML: {error}.") from None
    suite = resolve_suite(parse_config(SuiteFile, values, str(path)), str(path))
    return suite.model_copy(update={"text": text})


def resolve_suite(file: SuiteFile, where: str) -> Suite:
    """Spell out every row of a suite file."""
    rows: list[Entry] = []
    resolved: dict[str, Entry] = {}
    for entry in file.models:
        expanded = _expand(_inherit(entry, resolved, where), where)
        rows += expanded
        resolved |= {row.label: row for row in expanded}
    unknown = [label for label in file.comparison.proposed if label not in resolved]
    if unknown:
        raise RequestError(
            f'{where}: comparison.proposed names "{unknown[0]}", which is no label.',
            did_you_mean(unknown[0], resolved),
        )
    return Suite(
        name=file.name,
        protocol=find_protocol(file.protocol),
        datasets=file.datasets,
        seeds=file.seeds,
        primary_metric=file.primary_metric,
        training=file.training,
        evaluation=file.evaluation,
        models=tuple(rows),
        proposed=file.comparison.proposed,
    )


def _inherit(entry: Entry, resolved: Mapping[str, Entry], where: str) -> Entry:
    """Start from the entry that this one extends, which must stand before it."""
    if entry.extends is None:
        if entry.model is None:
            raise RequestError(f'{where}: the row "{entry.label}" has neither "model" nor "extends".')
        return entry
    if entry.extends not in resolved:
        raise RequestError(
            f'{where}: "{entry.label}" extends "{entry.extends}", which is no label above it.',
            did_you_mean(entry.extends, resolved),
        )
    parent = resolved[entry.extends]
    return Entry(
        label=entry.label,
        model=entry.model or parent.model,
        params={**parent.params, **entry.params},
        stages=parent.stages if entry.stages is None else entry.stages,
        training=merge_tables(parent.training, entry.training),
        controls=entry.controls,
        grid=entry.grid,
    )


def _expand(entry: Entry, where: str) -> list[Entry]:
    """One row for each combination of the grid's values."""
    rows = []
    for values in itertools.product(*entry.grid.values()):
        chosen = dict(zip(entry.grid, values, strict=True))
        params, training = dict(entry.params), dict(entry.training)
        for key, value in chosen.items():
            if key.startswith("training."):
                training[key.removeprefix("training.")] = value
            else:
                params[key] = value
        try:
            label = entry.label.format_map({**params, **chosen, **training})
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            known = ", ".join({**params, **training}) or "it has none"
            raise RequestError(
                f'{where}: the label "{entry.label}" cannot be filled in: {error}.',
                f"Name options of this row's params or grid in braces: {known}.",
            ) from None
        rows.append(
            entry.model_copy(update={"label": label, "params": params, "training": training, "grid": {}})
        )
    return rows


def merge_tables(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two tables; nested tables are merged too."""
    merged = dict(under)
    for key, value in over.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge_tables(merged[key], value) if nested else value
    return merged
