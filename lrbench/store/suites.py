"""``results/suites/<name>.json``: a resolved suite, and the trial of each of its cells."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from pydantic import Field

from lrbench.config.base import FrozenConfig
from lrbench.config.controls import Control
from lrbench.config.protocol import Protocol
from lrbench.config.tuning import Tune
from lrbench.errors import CheckError, LrbenchError, RequestError, did_you_mean
from lrbench.files import read_plain, write_text
from lrbench.resources import suite_names
from lrbench.store.commands import command
from lrbench.store.declarations import Declaration, extended
from lrbench.store.layout import Results
from lrbench.store.seal import check_seal, sealed_json
from lrbench.toml_files import read_toml
from lrbench.wording import some_of

__all__ = [
    "ControlRecord",
    "Match",
    "SuiteRecord",
    "SuiteTrial",
    "TunedRow",
    "add_to_suite",
    "declared",
    "find_suite_record",
    "merged",
    "read_suite",
    "write_suite",
]


T = TypeVar("T")


class SuiteTrial(FrozenConfig):
    """One trial under the label that this suite gives it."""

    label: str
    dataset: str
    seed: int
    trial: str


class ControlRecord(FrozenConfig):
    """What a row controls."""

    of: str
    """Label of the reasoning model's row."""

    control: Control


class Match(FrozenConfig):
    """The quantity in which a control was made to match its model on a dataset."""

    label: str
    dataset: str
    quantity: str
    target: float
    reached: float


class TunedRow(FrozenConfig):
    """The search that chooses the settings of a row, and of its controls, on a dataset."""

    label: str
    dataset: str
    search: str


class SuiteRecord(FrozenConfig):
    """A resolved suite."""

    raw_text = frozenset({"text"})

    name: str
    protocol: Protocol
    datasets: tuple[str, ...]
    """True dataset names in the order of the suite file."""

    labels: tuple[str, ...]
    """Row labels in the order of the suite file."""

    seeds: tuple[int, ...]
    dataset_seeds: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """Seeds of the datasets that are run with others than ``seeds``."""

    primary_metric: str
    proposed: tuple[str, ...]
    """Labels that are tested against other systems and against their own controls; may be empty."""

    against: tuple[str, ...] = ()
    """The systems; none: all labels that are neither proposed nor controls."""

    margin: float = 0.02
    """Differences below this share of the other label's mean do not matter in practice."""

    declarations: tuple[Declaration, ...] = ()
    """What was to be tested, from the first run on; empty in records of earlier versions."""

    controls: dict[str, ControlRecord] = Field(default_factory=dict)
    """By label, the rows that are controls of others."""

    matches: tuple[Match, ...] = ()
    """How well the networks of matched controls match, per dataset."""

    tune: Tune | None = None
    """How settings are searched for; `None`: no row is tuned."""

    searches: tuple[TunedRow, ...] = ()
    """Which rows are tuned; searches may be under way."""

    definition: str = ""
    """Hash of what the rows mean; records with different definitions are never merged."""

    text: str = ""
    """The suite file as it was when the suite last ran."""

    trials: tuple[SuiteTrial, ...]
    """A model without randomness has one cell per dataset, whatever the number of seeds."""

    digest: str = ""
    """SHA-256 of all other fields, see :mod:`lrbench.store.seal`; empty in records of earlier versions."""

    def seeds_for(self, dataset: str) -> tuple[int, ...]:
        """Return the seeds with which the rows are to be trained on a dataset."""
        return self.dataset_seeds.get(dataset, self.seeds)


def merged(new: SuiteRecord, old: SuiteRecord | None) -> SuiteRecord:
    """Add the datasets and seeds of an older record of the same definition, so that a suite can grow.

    Running a suite on one more dataset or seed keeps the cells that the record has. Running it after
    its rows were edited starts a new record.
    """
    if old is None or old.definition != new.definition:  # which covers the protocol
        return new
    cells = {(cell.label, cell.dataset, cell.seed): cell for cell in (*old.trials, *new.trials)}
    return new.model_copy(
        update={
            "datasets": _union((old.datasets, new.datasets)),
            "seeds": _union((old.seeds, new.seeds)),
            "dataset_seeds": {
                name: _union(record.seeds_for(name) for record in (old, new) if name in record.datasets)
                for name in _union((old.dataset_seeds, new.dataset_seeds))
            },
            "matches": _union((old.matches, new.matches)),
            "searches": _union((old.searches, new.searches)),
            "trials": tuple(cells.values()),
        }
    )


def _union(parts: Iterable[Iterable[T]]) -> tuple[T, ...]:
    """Return the members of all parts, each once, in the order of their first appearance."""
    return tuple(dict.fromkeys(itertools.chain.from_iterable(parts)))


def declared(new: SuiteRecord, old: SuiteRecord | None, results: Results) -> SuiteRecord:
    """Add what the suite is to test to what it was to test before, with how much had been seen by now."""
    history = old.declarations if old is not None else ()
    if old is not None and not history:  # a record of an earlier version: when it was declared is unknown
        history = (_declaration(old, None, None),)
    finished = sum(results.trial(trial).is_dir() for trial in {cell.trial for cell in new.trials})
    claim = _declaration(new, datetime.now(UTC).replace(microsecond=0), finished)
    return new.model_copy(update={"declarations": extended(history, claim)})


def _declaration(record: SuiteRecord, time: datetime | None, finished: int | None) -> Declaration:
    return Declaration(
        time=time,
        proposed=record.proposed,
        against=record.against,
        primary_metric=record.primary_metric,
        margin=record.margin,
        seeds=record.seeds,
        finished=finished,
    )


def write_suite(record: SuiteRecord, path: Path) -> None:
    """Write the suite's record atomically, with its digest."""
    write_text(path, sealed_json(record))


def add_to_suite(record: SuiteRecord, results: Results) -> None:
    """Add what ``record`` has to the stored record of the suite, see :func:`merged`.

    Several processes may run one suite with other datasets or seeds. A lock keeps each of them from
    overwriting what another has just added.
    """
    path, lock = results.suite(record.name), results.suite_lock(record.name)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        try:
            old = read_suite(path) if path.exists() else None
        except LrbenchError:
            old = None  # damaged, or of another version: nothing in it can be kept
        new = declared(merged(record, old), old, results)
        if old is not None and new.model_copy(update={"digest": old.digest}) == old:
            path.touch()  # it is the suite that ran last
        else:
            write_suite(new, path)


def find_suite_record(results: Results, suite: str | None) -> SuiteRecord:
    """Read a suite's record.

    Args:
        results: the results folder.
        suite: the suite's name, or the path of its file (whose stem is taken where ``name`` is not
            known); ``None``: the suite that ran last.

    Raises:
        RequestError: there is no such suite.
    """
    files = {path.stem: path for path in results.suites()}
    if suite is not None:
        name = _name_of(suite)
        if name not in files:
            raise _not_there(suite, name, sorted(files), results)
        return read_suite(files[name])
    if not files:
        raise RequestError(f"There are no suites in {results.root}.", "Run one first: lrbench run SUITE.toml")
    return read_suite(max(files.values(), key=lambda file: file.stat().st_mtime))


def _not_there(suite: str, name: str, there: list[str], results: Results) -> RequestError:
    """Tell a suite that was not run with these results from one that does not exist."""
    if Path(suite).is_file() or name in suite_names():
        others = f"\n  Suites there: {some_of(there)}." if there else ""
        return RequestError(
            f'The suite "{name}" was never run with results in {results.root}.',
            f"Run it: {command('run', suite, results)}{others}",
        )
    remedy = did_you_mean(name, there) or "Run one first: lrbench run SUITE.toml"
    return RequestError(f'There is no suite "{name}" in {results.root}.', remedy)


def read_suite(path: Path) -> SuiteRecord:
    """Read one suite's record.

    Raises:
        CheckError: the record was changed after it was written, or contradicts itself.
        RequestError: the file is no record, or one of another version.
    """
    remedy = "Run the suite again; done trials are kept."
    try:
        text = read_plain(path)
        values = json.loads(text)
        record = SuiteRecord.model_validate_json(text)
    except (OSError, ValueError, RecursionError):
        raise RequestError(f"{path} cannot be read by this version of lrbench.", remedy) from None
    check_seal(values, path, remedy, later="declarations")
    fault = _contradiction(record)
    if fault:
        raise CheckError(f"{path} is damaged: {fault}.", remedy)
    return record


def _contradiction(record: SuiteRecord) -> str | None:
    """Say what no suite that ran can have recorded."""
    if not record.datasets or not record.labels:
        return "it has no datasets or no rows"
    strange = [
        cell
        for cell in record.trials
        if cell.label not in record.labels or cell.dataset not in record.datasets
    ]
    if strange:
        return f"its trial {strange[0].trial} is of a label or a dataset that it does not have"
    cells = Counter((cell.label, cell.dataset, cell.seed) for cell in record.trials)
    doubled = [cell for cell, count in cells.items() if count > 1]
    if doubled:
        label, dataset, seed = doubled[0]
        return f'it has two trials for "{label}" on {dataset} with seed {seed}'
    return None


def _name_of(suite: str) -> str:
    """Return the name inside a suite file, or the text itself."""
    path = Path(suite)
    if path.suffix != ".toml":
        return suite
    if not path.is_file():
        return path.stem
    return str(read_toml(path, "suite file").get("name", path.stem))
