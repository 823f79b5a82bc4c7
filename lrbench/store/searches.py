"""``results/searches/<id>.json``: a complete search for settings. What has ended of one under way.

The file is written in one step when the last training of the search has ended. If it exists, the search is
complete. Until then, each training that has ended is kept in ``running/<id>/search.json``, so that an
interrupted search goes on after it.
"""

from pathlib import Path
from statistics import fmean
from typing import Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from lrbench.config.base import FrozenConfig
from lrbench.config.tuning import SearchConfig
from lrbench.errors import CheckError
from lrbench.files import read_plain, write_text
from lrbench.store.declarations import MetricName
from lrbench.store.layout import Results
from lrbench.store.seal import read_sealed, readable, sealed_json

__all__ = [
    "Ended",
    "FinalistRun",
    "SearchRecord",
    "SearchTrial",
    "failed_since",
    "read_ended",
    "read_search",
    "write_ended",
    "write_search",
]

REMEDY = "Move the file away and run the suite again, which repeats the search."


class SearchTrial(FrozenConfig):
    """One set of settings, trained once with the tuning seed."""

    number: int
    """From 0, in the order in which the settings were tried."""

    settings: dict[str, JsonValue]
    """Option → value; training settings with the prefix ``training.``."""

    state: Literal["complete", "pruned", "failed"]
    value: float | None
    """The selection metric on validation. A pruned trial has its best one until then. ``None``: it failed."""

    curve: tuple[tuple[int, float], ...] = ()
    """(epoch, best selection metric so far) for each validation; epochs count through all stages."""

    epochs: int = 0
    seconds: float = 0.0
    reason: str = ""
    """Why it failed; empty if it did not."""


class FinalistRun(FrozenConfig):
    """Settings that were among the best, trained once more with another seed."""

    number: int
    """That of the trial whose settings it has."""

    seed: int
    value: float | None
    """The selection metric on validation. ``None``: it failed."""

    epochs: int = 0
    seconds: float = 0.0
    reason: str = ""
    """Why it failed; empty if it did not."""


class SearchRecord(FrozenConfig):
    """A complete search. Test targets play no part in it."""

    id: str
    config: SearchConfig
    """The space, the budget and the row's own settings. The id is the hash of this configuration."""

    metric: MetricName
    """The selection metric, e.g. ``ndcg@10``."""

    trials: tuple[SearchTrial, ...] = Field(min_length=1)
    """All that were tried, in their order."""

    finals: tuple[FinalistRun, ...] = ()
    """The runs of the finalists, the best trial first; empty: there were no finalists to compare."""

    chosen: int
    """Number of the trial whose settings are chosen: of the best finalist or, without finalists, of the best
    complete trial. Of equal trials it is the earliest."""

    users: int
    """How many users it trained and validated on."""

    seconds: float
    device: str
    threads: int
    versions: dict[str, str]
    started: AwareDatetime
    ended: AwareDatetime
    digest: str = ""
    """SHA-256 of all other fields, see :mod:`lrbench.store.seal`."""

    @property
    def settings(self) -> dict[str, JsonValue]:
        """The chosen settings."""
        return self.trials[self.chosen].settings

    @property
    def best(self) -> float:
        """The selection metric of the trial whose settings are chosen."""
        value = self.trials[self.chosen].value
        assert value is not None  # it is complete
        return value

    @property
    def confirmed(self) -> float | None:
        """Mean selection metric of the chosen settings as a finalist; ``None``: they were none."""
        values = [run.value for run in self.finals if run.number == self.chosen and run.value is not None]
        return fmean(values) if values else None

    @property
    def finalists(self) -> list[int]:
        """Numbers of the trials that were finalists, the best trial first."""
        return list(dict.fromkeys(run.number for run in self.finals))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if [trial.number for trial in self.trials] != list(range(self.config.trials)):
            raise ValueError("it does not hold every trial of its budget once")
        if not 0 <= self.chosen < len(self.trials) or self.trials[self.chosen].state != "complete":
            raise ValueError("the trial that it chose is missing or not complete")
        if self.finals and self.chosen not in self.finalists:
            raise ValueError("it chose settings that were not among its finalists")
        return self


class Ended(FrozenConfig):
    """What has ended of a search that is under way."""

    trials: tuple[SearchTrial, ...] = ()
    finals: tuple[FinalistRun, ...] = ()


def write_search(record: SearchRecord, results: Results) -> None:
    """Write a complete search atomically, with its digest."""
    write_text(results.search(record.id), sealed_json(record))


def read_search(results: Results, search_id: str) -> SearchRecord:
    """Read a complete search.

    Raises:
        CheckError: the record was changed, or is that of another search.
        LrbenchError: the file is missing, or this version cannot understand it.
    """
    path = results.search(search_id)
    record, _ = read_sealed(path, SearchRecord, REMEDY)
    if record.id != search_id:
        raise CheckError(f"{path} is the record of another search, {record.id}.", REMEDY)
    return record


def write_ended(results: Results, search_id: str, ended: Ended) -> None:
    """Write what has ended of a search that is under way."""
    write_text(_ended_file(results, search_id), ended.model_dump_json())


def read_ended(results: Results, search_id: str) -> Ended:
    """Read what has ended of an interrupted search; nothing if it left no file.

    Raises:
        LrbenchError: the file is damaged.
    """
    path = _ended_file(results, search_id)
    if not path.exists():
        return Ended()
    with readable(path, "Remove the file and run the suite again, which repeats the search."):
        return Ended.model_validate_json(read_plain(path))


def failed_since(results: Results, search_id: str) -> bool:
    """Whether a search failed after the last outcome of a training was kept."""
    try:
        failed = results.error(search_id).stat().st_mtime
        return failed >= _ended_file(results, search_id).stat().st_mtime
    except FileNotFoundError:
        return False


def _ended_file(results: Results, search_id: str) -> Path:
    return results.running(search_id) / "search.json"
