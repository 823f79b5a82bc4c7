"""Published numbers beside those of the suite, with what the published protocol does otherwise.

The numbers are in ``published.toml``, and in a file of the person's own in the same form. An entry is
compared with every row of its dataset, protocol and model that has the options it names. Both numbers leave
out seen items if the publication does, even if the suite's headline does otherwise. So protocols that differ
only in that share their entries. A difference of at most 3 % counts as reproduced. A published number has no
spread, so there is no test. The interval in which one more run would fall is printed beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from pydantic import Field, JsonValue

from lrbench.config.base import FrozenConfig, parse_config
from lrbench.config.protocol import find_protocol
from lrbench.errors import RequestError, did_you_mean
from lrbench.metrics import metric_function
from lrbench.report.label_metrics import Measured, user_metrics
from lrbench.report.report import PublishedSource, PublishedValue
from lrbench.store.alignment import aligned_ranks
from lrbench.toml_files import read_toml

__all__ = [
    "Publication",
    "PublicationSource",
    "PublishedNumbers",
    "own_numbers_shown",
    "published_sources",
    "published_values",
    "read_published",
    "shipped_numbers",
]


class PublicationSource(FrozenConfig):
    """Where numbers were published."""

    title: str = Field(min_length=1)
    year: int = Field(ge=1900, le=2200)
    table: str = ""
    """The table, or another place in the publication in words."""

    link: str = Field(pattern=r"^(https?://|10\.)\S+$")
    """An address, or a DOI such as ``10.1145/…``."""


class Publication(FrozenConfig):
    """One ``[[value]]``: the numbers of a publication for a model on a dataset."""

    dataset: str
    protocol: str
    masked: bool
    """Whether the publication leaves items of the user's history out of the ranks."""

    models: tuple[str, ...]
    """Registered names of the model; several if lrbench has it in several forms."""

    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Options that a row must have to be compared with this entry."""

    metrics: dict[str, float]
    """Metric → number between 0 and 1, not in per cent."""

    source: str
    """Name of an entry of ``sources``."""

    differs: str
    """What the publication does differently from lrbench."""


class PublishedNumbers(FrozenConfig):
    """A file of published numbers."""

    sources: dict[str, PublicationSource] = Field(default_factory=dict)
    value: tuple[Publication, ...] = ()


@cache
def shipped_numbers() -> PublishedNumbers:
    """Read the numbers that ship with lrbench."""
    with as_file(files("lrbench.report").joinpath("published.toml")) as path:
        return _read(path, {})


def read_published(path: Path) -> PublishedNumbers:
    """Read a person's own file and return its numbers after those that ship with lrbench.

    Its entries may name sources of the file and sources that ship with lrbench.

    Raises:
        RequestError: the file cannot be used; the message names the first fault.
    """
    shipped = shipped_numbers()
    own = _read(path, shipped.sources)
    if not own.value:
        raise RequestError(f"{path} has no published numbers.", "Write a table [[value]] for each of them.")
    return PublishedNumbers(sources={**shipped.sources, **own.sources}, value=(*shipped.value, *own.value))


def own_numbers_shown(numbers: PublishedNumbers, shown: Sequence[PublishedValue]) -> bool:
    """Whether a report shows a number of the person's own file, which :func:`read_published` has read."""
    own = numbers.value[len(shipped_numbers().value) :]
    found = {(value.dataset, value.source, value.metric, value.published) for value in shown}
    return any(
        (entry.dataset, entry.source, metric, number) in found
        for entry in own
        for metric, number in entry.metrics.items()
    )


def _read(path: Path, known: Mapping[str, PublicationSource]) -> PublishedNumbers:
    """Read a file whose entries may also name sources in ``known``."""
    numbers = parse_config(PublishedNumbers, read_toml(path, "file of published numbers"), str(path))
    for name, source in numbers.sources.items():
        if known.get(name, source) != source:
            raise RequestError(f'{path}: lrbench has another source "{name}".', "Give yours another name.")
    names = {**known, **numbers.sources}
    for place, entry in enumerate(numbers.value, 1):
        if fault := _fault(entry, names):
            raise RequestError(f"{path}, value {place}: {fault[0]}", fault[1])
    return numbers


def _fault(entry: Publication, sources: Mapping[str, PublicationSource]) -> tuple[str, str] | None:
    """Return the cause and the remedy of the first fault of an entry; `None` if it has none."""
    try:
        find_protocol(entry.protocol)
        for metric in entry.metrics:
            metric_function(metric)
    except RequestError as error:
        return error.cause, error.remedy
    if not entry.models or not entry.metrics:
        return "models and metrics must not be empty.", "Name at least one of each."
    outside = [f"{name} = {value}" for name, value in entry.metrics.items() if not 0 < value <= 1]
    if outside:
        return f"{outside[0]} is not between 0 and 1.", "Write 0.0523 for 5.23 %."
    if entry.source not in sources:
        near = did_you_mean(entry.source, sources)
        return f'There is no source "{entry.source}".', f"Add [sources.NAME], or correct the name. {near}"
    return None


def published_values(
    measured: Sequence[Measured], publications: Sequence[Publication]
) -> Iterator[PublishedValue]:
    """Yield each published number that a label can be compared with, together with the label's own number."""
    for entry in measured:
        for publication in publications:
            if _belongs(entry, publication):
                yield from _beside(entry, publication)


def _belongs(entry: Measured, publication: Publication) -> bool:
    record = entry.trials[0].record
    return (
        entry.dataset == publication.dataset
        and record.model in publication.models
        and record.protocol.ranks_alike(find_protocol(publication.protocol).of(publication.dataset))
        and all(record.params.get(name) == value for name, value in publication.params.items())
    )


def _beside(entry: Measured, publication: Publication) -> Iterator[PublishedValue]:
    ranks = aligned_ranks(entry.trials, publication.masked)
    for metric, value in publication.metrics.items():
        own = user_metrics(ranks, entry.ids, entry.depth, metric, entry.deterministic)
        yield PublishedValue(
            dataset=entry.dataset,
            label=entry.label,
            metric=metric,
            masked=publication.masked,
            published=value,
            mean=own.mean,
            sd=own.seed_sd,
            n_seeds=own.seeds,
            source=publication.source,
            differs=publication.differs,
        )


def published_sources(
    values: Sequence[PublishedValue], sources: Mapping[str, PublicationSource]
) -> Iterator[PublishedSource]:
    """Yield the sources of the values, each once."""
    for name in dict.fromkeys(value.source for value in values):
        source = sources[name]
        link = source.link if source.link.startswith("http") else f"https://doi.org/{source.link}"
        yield PublishedSource(name, source.title, source.year, source.table, link)
