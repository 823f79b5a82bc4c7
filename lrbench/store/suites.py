"""``results/suites/<name>.json``: a resolved suite, and the trial of each of its cells."""

import itertools
import json
import tomllib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, Field

from lrbench.commands import suite_file
from lrbench.config.base import FrozenConfig
from lrbench.config.controls import Control
from lrbench.config.protocol import Protocol
from lrbench.config.suite_file import SuiteFile
from lrbench.config.tuning import Tune
from lrbench.errors import CheckError, RequestError, did_you_mean
from lrbench.files import read_plain, set_aside, write_text
from lrbench.lock_files import lock_on
from lrbench.resources import suite_names
from lrbench.store.declarations import Declaration, MetricName, extended
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
    "declared_at",
    "find_suite_record",
    "merged",
    "read_suite",
    "write_suite",
]


T = TypeVar("T")

_RUN_AGAIN = "Run the suite again; done trials are kept."


class _DamagedError(RequestError):
    """A file is no record of a suite, of any version."""


class SuiteTrial(FrozenConfig):
    """One trial under the label that this suite gives it."""

    label: str
    dataset: str
    seed: int
    trial: str


class ControlRecord(FrozenConfig):
    """The kind of a control, and the row that it belongs to."""

    of: str
    """Label of the reasoning model's row."""

    control: Control


class Match(FrozenConfig):
    """How close a matched control is to its model on a dataset."""

    label: str
    dataset: str
    quantity: str
    target: float
    """The quantity of the model."""

    reached: float
    """The quantity of the control."""


class TunedRow(FrozenConfig):
    """The search that chooses the settings of a row, and of its controls, on a dataset."""

    label: str
    dataset: str
    search: str


class _Row(BaseModel):
    """A row of a suite file, of any version."""

    model: str | None = None


class _Written(BaseModel):
    """What is known of a suite file, of any version, from its text."""

    datasets: tuple[str, ...] = ()
    seeds: tuple[int, ...] = SuiteFile.model_fields["seeds"].default
    dataset_seeds: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    models: tuple[_Row, ...] = ()


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

    primary_metric: MetricName
    proposed: tuple[str, ...]
    """Labels that are tested against other systems and against their own controls; may be empty."""

    against: tuple[str, ...] = ()
    """Labels that the proposed ones are tested against; empty: all that are neither proposed nor controls."""

    margin: float = 0.02
    """Differences below this share of the other label's mean do not matter in practice."""

    declarations: tuple[Declaration, ...] = ()
    """What the suite tests, from its first run on; empty in records of earlier versions."""

    controls: dict[str, ControlRecord] = Field(default_factory=dict)
    """Label of a control → which control it is, and of which row."""

    matches: tuple[Match, ...] = ()
    """How close matched controls are to their models, on each dataset."""

    tune: Tune | None = None
    """How settings are searched; ``None``: no row is tuned."""

    searches: tuple[TunedRow, ...] = ()
    """The searches of tuned rows. A search may still be under way."""

    definition: str = ""
    """Hash of what the rows mean; records with different definitions are never merged."""

    text: str = ""
    """The suite file as it was when the suite last ran."""

    trials: tuple[SuiteTrial, ...]
    """A model without randomness has one cell per dataset, whatever the number of seeds."""

    digest: str = ""
    """SHA-256 of all other fields, see :mod:`lrbench.store.seal`; empty in records of earlier versions."""

    @property
    def not_begun(self) -> tuple[tuple[str, str], ...]:
        """(dataset, label) of rows without trials. The search that chooses their settings is not complete."""
        begun = {(cell.dataset, cell.label) for cell in self.trials}
        return tuple(place for place in itertools.product(self.datasets, self.labels) if place not in begun)

    @property
    def part(self) -> tuple[str, ...]:
        """The datasets, if the suite's file has more; empty: it has no others, or is unknown."""
        file = self._written()
        return () if file is None or set(file.datasets) <= set(self.datasets) else self.datasets

    @property
    def other_seeds(self) -> tuple[int, ...]:
        """The seeds, if the suite's file has others; empty: it has the same, or is unknown.

        Empty also if the datasets have unlike seeds: no option of a command says so.
        """
        file = self._written()
        if file is None or self.dataset_seeds:
            return ()
        own = (file.dataset_seeds.get(name, file.seeds) for name in self.datasets)
        return () if all(set(seeds) == set(self.seeds) for seeds in own) else self.seeds

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models in the suite's file; empty if the file is unknown."""
        file = self._written()
        rows = () if file is None else file.models
        return tuple(dict.fromkeys(row.model for row in rows if row.model is not None))

    def _written(self) -> _Written | None:
        """Read the suite's file; ``None``: it is unknown, or its text is no suite file."""
        try:
            return _Written.model_validate(tomllib.loads(self.text)) if self.text else None
        except (ValueError, RecursionError):  # the text of an archive may be anything
            return None

    def seeds_for(self, dataset: str) -> tuple[int, ...]:
        """Return the seeds with which the rows are to be trained on a dataset."""
        return self.dataset_seeds.get(dataset, self.seeds)


def merged(new: SuiteRecord, old: SuiteRecord | None) -> SuiteRecord:
    """Return the new record with the datasets and seeds of an older one, so that a suite can grow.

    If a suite runs on one more dataset or seed, the older cells of its record stay. If its rows were edited
    before the run, the new record replaces the old one.
    """
    if old is None or old.definition != new.definition:  # the definition covers the protocol too
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
    """Return the new record with all declarations: those of the old record, and the one of this run.

    A declaration is kept with the number of trials that had finished by then.
    """
    history = old.declarations if old is not None else ()
    if old is not None and not history:  # a record of an earlier version: when it was declared is unknown
        history = (declared_at(old, None, None),)
    finished = sum(results.trial(trial).is_dir() for trial in {cell.trial for cell in new.trials})
    claim = declared_at(new, datetime.now(UTC).replace(microsecond=0), finished)
    return new.model_copy(update={"declarations": extended(history, claim)})


def declared_at(record: SuiteRecord, time: datetime | None, finished: int | None) -> Declaration:
    """Return what a suite tests from a moment on, by which so many trials had finished; ``None``: unknown."""
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


def add_to_suite(record: SuiteRecord, results: Results) -> Path | None:
    """Merge ``record`` into the stored record of the suite, see :func:`merged`.

    Several processes may run one suite with different datasets or seeds. A lock keeps each of them from
    overwriting what another process has just added.

    Returns:
        Where a damaged record was set aside; ``None``: there was none.

    Raises:
        RequestError: the stored record cannot be read, or is of another version.
    """
    path, lock = results.suite(record.name), results.suite_lock(record.name)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock_on(lock):
        old, aside = None, None
        try:
            old = read_suite(path) if path.exists() else None
        except (_DamagedError, CheckError):
            aside = set_aside(path)
        new = declared(merged(record, old), old, results)
        if old is not None and new.model_copy(update={"digest": old.digest}) == old:
            path.touch()  # the record with the latest time is the suite that ran last
        else:
            write_suite(new, path)
    return aside


def find_suite_record(results: Results, suite: str | None) -> SuiteRecord:
    """Read a suite's record.

    Args:
        results: the results folder.
        suite: the suite's name, or the path of its file. If the file does not exist or has no ``name``, the
            stem of its path is taken as the name. ``None``: the suite that ran last.

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
        raise RequestError(f"There are no suites in {results.root}.", _run_one_first(results))
    return read_suite(max(files.values(), key=lambda file: file.stat().st_mtime))


def _not_there(suite: str, name: str, there: list[str], results: Results) -> RequestError:
    """Return the error for a suite without a record: it exists and was not run here, or does not exist."""
    shipped = name if name in suite_names() else None
    file = suite if Path(suite).is_file() else suite_file(name) or shipped
    if file is not None:
        others = f"\n  Suites there: {some_of(there)}." if there else ""
        return RequestError(
            f'The suite "{name}" was never run with results in {results.root}.',
            f"Import an archive of it, or run it: {results.command('run', file)}{others}",
        )
    remedy = did_you_mean(name, there) or _run_one_first(results)
    return RequestError(f'There is no suite "{name}" in {results.root}.', remedy)


def _run_one_first(results: Results) -> str:
    return f"Run one first: {results.command('run', 'SUITE.toml')}"


def read_suite(path: Path) -> SuiteRecord:
    """Read one suite's record.

    Raises:
        CheckError: the record was changed after it was written, or contradicts itself.
        RequestError: the file cannot be read or is no record, or the record is of another version.
    """
    try:
        text = read_plain(path)
        values = json.loads(text)
        check_seal(values, path, _RUN_AGAIN, later="declarations")
    except OSError as error:
        raise RequestError(
            f"{path} cannot be read: {error.strerror}.", f"Make it readable, or move it away. {_RUN_AGAIN}"
        ) from None
    except (ValueError, RecursionError):
        raise _DamagedError(f"{path} is damaged: it holds no record of a suite.", _RUN_AGAIN) from None
    try:
        record = SuiteRecord.model_validate_json(text)
    except ValueError:
        raise RequestError(
            f"{path} cannot be read by this version of lrbench.",
            f"Use the version that wrote it, or move the file away. {_RUN_AGAIN}",
        ) from None
    fault = _contradiction(record)
    if not fault and record.name != path.stem:
        fault = f"it is the record of the suite {record.name}"
    if fault:
        raise CheckError(f"{path} is damaged: {fault}.", _RUN_AGAIN)
    return record


def _contradiction(record: SuiteRecord) -> str | None:
    """Return a fault that the record of a suite that ran cannot have; ``None``: there is none."""
    if not record.datasets or not record.labels:
        return "it has no datasets or no rows"
    strange = [
        cell
        for cell in record.trials
        if cell.label not in record.labels or cell.dataset not in record.datasets
    ]
    if strange:
        return f"its trial {strange[0].trial} is of a label or a dataset that it does not have"
    outside = [cell.trial for cell in record.trials if Path(cell.trial).name != cell.trial]
    if outside:
        return f"its trial {outside[0]} is no name of a folder"
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
