"""Suites: datasets × models (with variants and grids) × seeds under one protocol.

Reading a suite resolves ``extends`` and ``grid`` into one entry per row. The model's own configuration class
checks ``params`` later. Only then are labels checked to differ, since a misspelt option of a grid leaves its
rows alike.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from lrbench.bounds import MOST_PROPOSED, MOST_ROWS
from lrbench.config.base import FrozenConfig, parse_config
from lrbench.config.protocol import Protocol, find_protocol
from lrbench.config.suite_file import ComparisonTable, Entry, EvaluationTable, SuiteFile, Table
from lrbench.config.suite_rows import expand, inherit
from lrbench.config.tuning import Tune, parse_space
from lrbench.errors import RequestError, did_you_mean
from lrbench.toml_files import parse_toml, read_text

__all__ = ["Suite", "read_suite_file", "resolve_suite"]


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
    """Spell out every row of a suite file.

    Args:
        file: the file as written.
        where: the place for messages, such as its path.

    Raises:
        RequestError: an entry extends or names what is not there, or the rows are too many.
    """
    rows: list[Entry] = []
    resolved: dict[str, Entry] = {}
    for entry in file.models:
        expanded = expand(inherit(entry, resolved, where), where)
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
    """Refuse a row's search that the suite cannot run, or that is malformed."""
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
    """Refuse ``settings_of`` unless it names a row above that has a search of its own."""
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
    """Refuse labels that no row has, rows that are tested against themselves, and too many to mark."""
    if len(comparison.proposed) > MOST_PROPOSED:
        raise RequestError(
            f"{where}: comparison.proposed has {len(comparison.proposed)} labels. Tables mark each with a "
            f"letter, and there are {MOST_PROPOSED}.",
            "Make several suites of it.",
        )
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
