"""The catalogue: which datasets there are, where each comes from, and what it must contain.

``datasets.toml`` documents its form at its top. A user's own file of the same form is read beside it, and so
are the files that ``lrbench fetch NAME --from FILE --columns …`` was once given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from lrbench.config.base import FrozenConfig, Name, parse_config
from lrbench.config.protocol import Filters
from lrbench.data.fetching.locks import keeping
from lrbench.data.readers import table_reader
from lrbench.errors import RequestError, did_you_mean
from lrbench.files import write_text
from lrbench.resources import catalogue_file
from lrbench.toml_files import read_toml

__all__ = [
    "Catalogue",
    "Checksums",
    "Counts",
    "Dataset",
    "Source",
    "add_own",
    "load_catalogue",
    "own_file",
    "remember",
]

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Sha1 = Annotated[str, Field(pattern="^[0-9a-f]{40}$")]


def load_catalogue(own: Path | None = None, remembered: Path | None = None) -> "Catalogue":
    """Read the catalogue that ships with lrbench and those of the user.

    Args:
        own: a TOML file in the form of ``datasets.toml`` (``--catalog``).
        remembered: folder with entries of files that were given on the command line; it need not exist.

    Raises:
        RequestError: a file is missing or malformed, or a name is given twice.
    """
    shipped = _read(catalogue_file())
    catalogues = [shipped]
    if own is not None:
        catalogues.append(_read(own, local=True))
    if remembered is not None:
        catalogues.append(Catalogue(dict(_remembered(remembered)), {}))
    return _merge(catalogues)


def own_file(name: str, file: Path, columns: Mapping[str, str]) -> "Dataset":
    """Return an entry for a CSV or Parquet file given on the command line; it is used where it lies.

    Args:
        name: what the dataset shall be called.
        file: read as Parquet or as delimited text, as its content is.
        columns: options of that reader: ``user``, ``item``, ``time``, ``rating``, ``separator``, …

    Raises:
        RequestError: there is no such file, or the name holds a sign that file names cannot.
    """
    if not file.is_file():
        raise RequestError(f"There is no file {file}.", "Check the path given with --from.")
    reader = table_reader(file, columns.get("member", ""))
    source = Source(reader=reader, options=dict(columns), path=file.name, local=file.resolve())
    entry = {"name": name, "edition": f"a file of your own, {file.name}", "sources": (source,)}
    return parse_config(Dataset, entry, f'dataset "{name}"')


def add_own(catalogue: "Catalogue", dataset: "Dataset", remembered: Path) -> "Catalogue":
    """Return the catalogue with a file of the user's own, in place of an earlier one of that name.

    Raises:
        RequestError: the name belongs to a dataset that was not given on the command line.
    """
    if not _memory(dataset.name, remembered).exists():
        return _merge([catalogue, Catalogue({dataset.name: dataset}, {})])
    return Catalogue({**catalogue.datasets, dataset.name: dataset}, catalogue.aliases)


def remember(dataset: "Dataset", remembered: Path) -> None:
    """Keep the entry of a file of the user's own, so that its name can be used from now on.

    Raises:
        RequestError: the data folder cannot be written.
    """
    with keeping(dataset.name, remembered):
        write_text(_memory(dataset.name, remembered), dataset.model_dump_json(indent=2) + "\n")


def _read(file: Path, local: bool = False) -> "Catalogue":
    """Read a catalogue file; ``local``: sources without addresses are files beside it."""
    content = parse_config(_Document, read_toml(file, "catalogue"), str(file))
    datasets = {name: _dataset(name, table, file, local) for name, table in content.dataset.items()}
    for table in content.family:
        for dataset in _expand(table, file, local):
            datasets[dataset.name] = dataset
    return Catalogue(datasets, content.alias)


def _dataset(name: str, table: Mapping[str, Any], file: Path, local: bool) -> "Dataset":
    """Parse ``[dataset.NAME]``, whose first source may stand directly in it."""
    where = f'{file.name}, dataset "{name}"'
    source_fields = set(Source.model_fields) - {"local"}
    _refuse_unknown(table, source_fields | set(Dataset.model_fields) - {"name"}, where)
    direct = {key: value for key, value in table.items() if key in source_fields}
    rest = {key: value for key, value in table.items() if key not in source_fields}
    dataset = parse_config(Dataset, {"name": name, **rest}, where)
    sources = [*([parse_config(Source, direct, where)] if direct else []), *dataset.sources]
    if not sources and not dataset.generated:
        raise RequestError(f"{where}: it has no source.", "Add reader, path and urls.")
    if local:
        sources = [_beside(file, source) for source in sources]
    return dataset.model_copy(update={"sources": tuple(sources)})


def _beside(file: Path, source: "Source") -> "Source":
    """Return a source of a user's catalogue: one without addresses is a file that lies where it says."""
    return (
        source if source.urls else source.model_copy(update={"local": (file.parent / source.path).resolve()})
    )


def _expand(table: Mapping[str, Any], file: Path, local: bool) -> "Iterable[Dataset]":
    """Yield the datasets that ``[[family]]`` stands for."""
    family = parse_config(_Family, table, f"{file.name}, family")
    shared = family.model_dump(exclude={"name", "categories"}, exclude_unset=True)
    for category, own in family.categories.items():
        words = {
            "{category}": category,
            "{slug}": category.lower().replace("_", "-"),
            "{title}": category.replace("_", " "),
        }
        yield _dataset(_fill(family.name, words), {**_fill(shared, words), **own}, file, local)


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


def _remembered(folder: Path) -> "Iterable[tuple[str, Dataset]]":
    """Yield the entries that were kept of files given on the command line."""
    for file in sorted(folder.glob("*.json")):
        try:
            yield file.stem, Dataset.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, ValidationError):
            raise RequestError(f"{file} is damaged.", "Remove it, and fetch that dataset again.") from None


def _memory(name: str, remembered: Path) -> Path:
    return remembered / f"{name}.json"


def _merge(catalogues: "Iterable[Catalogue]") -> "Catalogue":
    datasets: dict[str, Dataset] = {}
    aliases: dict[str, str] = {}
    for catalogue in catalogues:
        new = [*catalogue.datasets, *catalogue.aliases]
        taken = next((name for name in new if name in datasets or name in aliases), None)
        if taken is not None:
            raise RequestError(f'There is already a dataset "{taken}".', "Give yours another name.")
        datasets.update(catalogue.datasets)
        aliases.update(catalogue.aliases)
    meant = [*aliases.values(), *(name for entry in datasets.values() for name in entry.fallbacks)]
    for name in meant:
        Catalogue(datasets, {}).find(name)
    return Catalogue(datasets, aliases)


class Checksums(FrozenConfig):
    """What is known of a file's bytes; a file is right if any of them matches."""

    file: Sha256 | None = None
    """SHA-256 of the file as it is downloaded."""

    content: Sha256 | None = None
    """SHA-256 of what is read: after gunzip, or of the member of a zip archive."""

    git_blob: Sha1 | None = None
    """Id of the content as a git object."""


class Counts(FrozenConfig):
    """Sizes that a dataset must have; none: not known."""

    users: int | None = None
    items: int | None = None
    interactions: int | None = None


class Source(FrozenConfig):
    """One form in which a dataset can be had."""

    reader: str
    """A name of ``lrbench.data.readers.READERS``."""

    options: dict[str, Any] = Field(default_factory=dict)
    """The reader's options."""

    path: str
    """Where the file lies below a mirror, with or without ``.gz``."""

    local: Path | None = None
    """A file of the user's own, used where it lies; nothing is fetched."""

    urls: tuple[str, ...] = ()
    """Addresses in order of preference."""

    checksum: Checksums = Checksums()
    raw: Counts = Counts()
    """Sizes before any filter."""

    prepared: Counts = Counts()
    """Sizes after the dataset's own filters."""

    titles: str = ""
    """Where the items' titles lie below a mirror folder, if they are a file of their own."""

    @property
    def member(self) -> str:
        """The file to read inside a zip archive; empty where the file itself is read."""
        return str(self.options.get("member", ""))

    @property
    def stem(self) -> str:
        """``path`` without ``.gz``."""
        return self.path.removesuffix(".gz")

    @property
    def file_name(self) -> str:
        """The last part of ``stem``."""
        return self.stem.rpartition("/")[2]


class Dataset(FrozenConfig):
    """An entry of the catalogue."""

    name: Name
    """The true name, with its edition; it also names folders."""

    edition: str
    """What the name stands for, in a sentence."""

    licence: str = "not stated"
    """The terms of use."""

    filters: Filters = Filters()
    """What ``fetch`` prepares it with; a suite uses its protocol's."""

    sources: tuple[Source, ...] = ()
    """In order of preference."""

    fallbacks: tuple[str, ...] = ()
    """Datasets whose sources hold the same data in another form."""

    generated: bool = False
    """Whether lrbench computes it; it has no sources then."""


class _Family(FrozenConfig):
    """A template for datasets of one form, one for each category."""

    name: str
    edition: str
    licence: str = "not stated"
    filters: Filters = Filters()
    reader: str
    options: dict[str, Any] = Field(default_factory=dict)
    path: str
    urls: tuple[str, ...] = ()
    titles: str = ""
    categories: dict[str, dict[str, Any]]
    """The fields that are each category's own."""


class _Document(FrozenConfig):
    """A catalogue file as a whole; its tables are parsed one by one."""

    dataset: dict[str, dict[str, Any]] = Field(default_factory=dict)
    family: list[dict[str, Any]] = Field(default_factory=list)
    alias: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """Datasets and aliases by name."""

    datasets: Mapping[str, Dataset]
    aliases: Mapping[str, str]

    def find(self, name: str) -> Dataset:
        """Return the dataset of that name or alias.

        Raises:
            RequestError: there is none.
        """
        true_name = self.aliases.get(name, name)
        if true_name not in self.datasets:
            raise RequestError(
                f'There is no dataset "{name}".',
                f"{self._similar(name)}`lrbench list datasets` shows them all.",
            )
        return self.datasets[true_name]

    def describe(self, name: str) -> str:
        """Return the name and what it stands for; of an alias, also the true name."""
        dataset = self.find(name)
        meaning = f"{name} = {dataset.name}" if name != dataset.name else name
        return f"{meaning}: {dataset.edition}"

    def sources(self, dataset: Dataset) -> tuple[Source, ...]:
        """Return the forms in which a dataset can be had, in order of preference."""
        others = (source for name in dataset.fallbacks for source in self.find(name).sources)
        return (*dataset.sources, *others)

    def _similar(self, name: str) -> str:
        known = [*self.aliases, *self.datasets]
        near = [word for word in known if name in word] or get_close_matches(name, known, cutoff=0.5)
        return f"Did you mean {' or '.join(near[:3])}? " if near else ""
