"""Catalogue files: the one that ships with lrbench, and those of users, read from TOML.

``datasets.toml`` documents its form at its top. A file of the user's own has the same form, with two
differences. A source without addresses is a local file, relative to the catalogue. No dataset may be
``generated``.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from lrbench.config.base import FrozenConfig, parse_config
from lrbench.config.protocol import Filters
from lrbench.data.catalogue import Catalogue, Dataset, Source, merged
from lrbench.data.own_files import remembered_files
from lrbench.errors import RequestError, did_you_mean
from lrbench.paths import absolute, expanded
from lrbench.resources import catalogue_file as shipped_file
from lrbench.toml_files import read_toml

__all__ = ["load_catalogue"]


def load_catalogue(catalogue_file: Path | None = None, user_files: Path | None = None) -> Catalogue:
    """Read the catalogue that ships with lrbench and those of the user.

    Args:
        catalogue_file: a TOML file in the form of ``datasets.toml`` (``--catalog``).
        user_files: folder with the entries of files that were given on the command line. It need not exist.

    Raises:
        RequestError: a file is missing or malformed, or a name is given twice.
    """
    catalogues = [_read(shipped_file(), users=False)]
    if catalogue_file is not None:
        catalogues.append(_read(catalogue_file, users=True))
    if user_files is not None:
        catalogues.append(remembered_files(user_files))
    return merged(catalogues)


def _read(file: Path, users: bool) -> Catalogue:
    """Read a catalogue file; ``users``: it is a user's, not the one that ships with lrbench."""
    content = parse_config(_Document, read_toml(file, "catalogue"), str(file))
    tables = [(name, table) for name, table in content.dataset.items()]
    tables += [entry for family in content.family for entry in _members(family, file)]
    datasets = {name: _dataset(name, table, file, users) for name, table in tables}
    return Catalogue(datasets, content.alias)


def _dataset(name: str, table: Mapping[str, Any], file: Path, users: bool) -> Dataset:
    """Parse ``[dataset.NAME]``. The fields of its only source may be in the table itself."""
    where = f'{file.name}, dataset "{name}"'
    source_fields = set(Source.model_fields) - {"local"}
    _refuse_unknown(table, source_fields | set(Dataset.model_fields) - {"name"}, where)
    direct = {key: value for key, value in table.items() if key in source_fields}
    rest = {key: value for key, value in table.items() if key not in source_fields}
    further = rest.get("sources", [])
    if not isinstance(further, list) or not all(isinstance(each, dict) for each in further):
        parse_config(Dataset, {"name": name, **rest}, where)  # raises, and says what is wrong
    sources = []
    for number, fields in enumerate([*([direct] if direct else []), *further], start=1):
        place = f"{where}, source {number}" if further else where
        _refuse_unknown(fields, source_fields, place)
        source = parse_config(Source, fields, place)
        sources.append(_beside(file, source) if users else source)
    dataset = parse_config(Dataset, {"name": name, **rest, "sources": tuple(sources)}, where)
    if dataset.generated and users:
        raise RequestError(f"{where}: only lrbench's own catalogue has generated data.", "Give it a source.")
    if dataset.generated == bool(sources):
        raise RequestError(f"{where}: it has no source.", "Add reader, path and urls.")
    return dataset


def _beside(file: Path, source: Source) -> Source:
    """Return a source of a user's catalogue; without addresses, its path is relative to the catalogue."""
    if source.urls:
        return source
    return source.model_copy(update={"local": absolute(file.parent / expanded(source.path, file.parent))})


def _members(table: Mapping[str, Any], file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the table of each dataset that ``[[family]]`` describes."""
    family = parse_config(_Family, table, f"{file.name}, family")
    shared = family.model_dump(exclude={"name", "categories"}, exclude_unset=True)
    for category, own in family.categories.items():
        words = {
            "{category}": category,
            "{slug}": category.lower().replace("_", "-"),
            "{title}": category.replace("_", " "),
        }
        yield _fill(family.name, words), {**_fill(shared, words), "category": words["{title}"], **own}


def _fill(template: Any, words: Mapping[str, str]) -> Any:
    """Put the words in place of their marks in every string of a nested value."""
    if isinstance(template, str):
        for mark, word in words.items():
            template = template.replace(mark, word)
        return template
    if isinstance(template, Mapping):
        return {key: _fill(value, words) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [_fill(value, words) for value in template]
    return template


def _refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    unknown = next((key for key in table if key not in set(known)), None)
    if unknown is not None:
        raise RequestError(f'{where}: unknown option "{unknown}".', did_you_mean(unknown, known))


class _Family(FrozenConfig):
    """A template for datasets of one form, one for each category."""

    name: str
    edition: str
    family: str = ""
    licence: str = "not stated"
    filters: Filters = Filters()
    reader: str
    options: dict[str, Any] = Field(default_factory=dict)
    path: str
    urls: tuple[str, ...] = ()
    titles: str = ""
    categories: dict[str, dict[str, Any]]
    """The fields that differ between categories."""


class _Document(FrozenConfig):
    """A catalogue file as a whole. Its tables are parsed one by one."""

    dataset: dict[str, dict[str, Any]] = Field(default_factory=dict)
    family: list[dict[str, Any]] = Field(default_factory=list)
    alias: dict[str, str] = Field(default_factory=dict)
