"""Published numbers beside those of the suite, with what the published protocol does otherwise.

The numbers are in ``published.toml``; an entry belongs to every row of its dataset, protocol and model
whose options include those it names. Whether seen items are left out follows the publication, whatever
the headline of the suite, so protocols that differ in that alone share their entries. A difference of at
most 3 % counts as reproduced. No test is made, since a publication is one number without a spread; the
interval in which one more run would fall stands beside it.
"""

import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

from pydantic import Field, JsonValue

from lrbench.config.base import FrozenConfig, parse_config
from lrbench.config.protocol import find_protocol
from lrbench.report.label_metrics import Measured
from lrbench.report.report import PublishedValue
from lrbench.stats.user_metrics import UserMetrics
from lrbench.store.frames import aligned_ranks

__all__ = ["Publication", "load_publications", "published_values"]


class Publication(FrozenConfig):
    """One entry of ``published.toml``."""

    dataset: str
    protocol: str
    masked: bool
    """Whether the publication leaves items of the user's history out of the ranks."""

    models: tuple[str, ...]
    """Registered names: a model in all its forms."""

    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Options that a row must have to be compared with it."""

    metrics: dict[str, float]
    source: str
    differs: str
    """What is otherwise than here."""


@cache
def load_publications() -> tuple[Publication, ...]:
    """Read the entries that ship with lrbench."""
    text = files("lrbench.report").joinpath("published.toml").read_text(encoding="utf-8")
    return tuple(parse_config(Publication, entry, "published.toml") for entry in tomllib.loads(text)["value"])


def published_values(
    measured: Sequence[Measured], publications: Sequence[Publication]
) -> Iterator[PublishedValue]:
    """Yield each published number that a label can be compared with, and the label's own."""
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
        own = UserMetrics(ranks.metric(entry.ids, entry.depth, metric), entry.deterministic)
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
