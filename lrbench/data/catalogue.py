"""The catalogue: which datasets there are, where each comes from, and what it must contain.

This file holds the entries. ``catalogue_files`` reads them from TOML, ``own_files`` remembers files that the
user gave on the command line.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from lrbench.commands import command
from lrbench.config.base import FrozenConfig, Name
from lrbench.config.messages import written
from lrbench.config.protocol import Filters
from lrbench.data.addresses import is_address, public_address
from lrbench.errors import RequestError, nearest_names
from lrbench.text import has_hidden
from lrbench.wording import listed

__all__ = ["Catalogue", "Checksums", "Counts", "Dataset", "Source", "merged"]

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Sha1 = Annotated[str, Field(pattern="^[0-9a-f]{40}$")]

_LONGEST_PART = 200
"""Bytes of one part of a path: lrbench adds endings to it, and file systems allow 255."""


class Checksums(FrozenConfig):
    """The known checksums of a file. A file is right if any of them matches."""

    file: Sha256 | None = None
    """SHA-256 of the file as it is downloaded."""

    content: Sha256 | None = None
    """SHA-256 of what is read: after gunzip, or of the member of a zip archive."""

    git_blob: Sha1 | None = None
    """Id of the content as a git object."""

    @property
    def known(self) -> bool:
        """Whether there is anything to compare with."""
        return any((self.file, self.content, self.git_blob))


class Counts(FrozenConfig):
    """Sizes that a dataset must have; ``None``: not known."""

    users: int | None = None
    items: int | None = None
    interactions: int | None = None


class Source(FrozenConfig):
    """One form in which a dataset can be obtained."""

    reader: str
    """A name of ``lrbench.data.readers.READERS``."""

    options: dict[str, Any] = Field(default_factory=dict)
    """The reader's options."""

    path: str
    """Where the file is below a mirror, with or without ``.gz``."""

    local: Path | None = None
    """A file of the user's own. It is read where it is; nothing is fetched."""

    urls: tuple[str, ...] = ()
    """Addresses in order of preference."""

    size: int | None = Field(default=None, gt=0)
    """Bytes of the uncompressed content; ``None``: not known. A download that is much larger is refused."""

    checksum: Checksums = Checksums()
    """What the file must be."""

    raw: Counts = Counts()
    """Sizes before any filter."""

    prepared: Counts = Counts()
    """Sizes after the dataset's own filters."""

    titles: str = ""
    """Where the file of the items' titles is below a mirror folder; empty: there is no such file."""

    @model_validator(mode="after")
    def _check_paths(self) -> Self:
        """Refuse addresses that cannot be fetched, and paths that lead out of the folder of raw files.

        A source without addresses is a file of the user's own. Its path may lead anywhere, since the file is
        only read there.
        """
        for url in self.urls:
            if not is_address(url):
                raise ValueError(f'"{public_address(url)}" is no http or https address')
        fault = path_fault(self.path) if self.urls else _text_fault(self.path)
        if fault:
            raise ValueError(f"path = {written(self.path)}: {fault}")
        if self.titles and (fault := path_fault(self.titles)):
            raise ValueError(f"titles = {written(self.titles)}: {fault}")
        return self

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


def path_fault(path: str) -> str:
    """Say why a path of a catalogue is refused; empty if it may name a file below a folder of lrbench.

    Catalogues come from other people. Their paths must not lead out of the folder, and every file system must
    accept them.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in path:
        return 'it must be relative, without empty parts, ".", ".." and backslashes'
    if any(len(part.encode()) > _LONGEST_PART for part in parts):
        return f"a part of it has more than {_LONGEST_PART} bytes"
    return _text_fault(path)


def _text_fault(path: str) -> str:
    if has_hidden(path):
        return "it holds control characters"
    return "" if path.strip() else "it is empty"


class Dataset(FrozenConfig):
    """An entry of the catalogue."""

    name: Name
    """The true name, with its edition. It also names folders."""

    edition: str
    """What the name means, in a sentence."""

    family: str = ""
    """The heading under which ``lrbench list datasets`` shows it."""

    category: str = ""
    """The category, if the datasets of the family differ only in it."""

    licence: str = "not stated"
    """The terms of use."""

    filters: Filters = Filters()
    """The filters of ``lrbench fetch``. A suite uses those of its protocol."""

    sources: tuple[Source, ...] = ()
    """Its forms, in order of preference."""

    fallbacks: tuple[str, ...] = ()
    """Datasets whose sources hold the same data in another form."""

    generated: bool = False
    """Whether lrbench computes it. Then it has no sources."""


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
                f"{self._similar(name)}See them all: {command('list', 'datasets')}",
            )
        return self.datasets[true_name]

    def knows(self, name: str) -> bool:
        """Tell whether there is a dataset of that name or alias."""
        return self.aliases.get(name, name) in self.datasets

    def describe(self, name: str) -> str:
        """Return the name and its meaning; for an alias, also the true name."""
        dataset = self.find(name)
        meaning = f"{name} = {dataset.name}" if name != dataset.name else name
        return f"{meaning}: {dataset.edition}"

    def sources(self, dataset: Dataset) -> tuple[Source, ...]:
        """Return the forms in which a dataset can be obtained, in order of preference."""
        others = (source for name in dataset.fallbacks for source in self.find(name).sources)
        return (*dataset.sources, *others)

    def _similar(self, name: str) -> str:
        known = [*self.aliases, *self.datasets]
        near = [word for word in known if name.casefold() in word.casefold()] or nearest_names(name, known)
        return f"Did you mean {listed(near[:3], 'or')}? " if near else ""


def merged(catalogues: Iterable[Catalogue]) -> Catalogue:
    """Return one catalogue with the entries of all.

    Raises:
        RequestError: a name is given twice, or an alias or fallback names no dataset.
    """
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
