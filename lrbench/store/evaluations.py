"""Ranks that ``lrbench evaluate`` made after a run: at further depths, or with another latent.

A trial's folder never changes, so these are kept beside it, in ``evaluations/<id>/``: ``evaluation.json``
(:class:`EvaluationRecord`) and ``ranks.parquet`` with the columns of a trial's ranks. Reports add them to
what the trial itself ranked, and never replace a rank of the trial.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from pydantic import AwareDatetime

from lrbench.config.base import FrozenConfig
from lrbench.errors import CheckError, LrbenchError
from lrbench.files import new_folder, remove
from lrbench.lock_files import lock_on
from lrbench.store.layout import EVALUATION_FILE, RANKS_FILE, Results
from lrbench.store.seal import file_digest, read_sealed, read_table, readable, sealed_json
from lrbench.store.trials import UNCHANGED, TrialRecord, read_ranks, read_record

__all__ = [
    "EvaluationRecord",
    "LaterEvaluation",
    "discard_of_another_run",
    "keep_evaluation",
    "read_evaluation",
]

_REMEDY = "Move the folder away and evaluate again."


class EvaluationRecord(FrozenConfig):
    """The content of ``evaluation.json``."""

    trial: str
    trial_digest: str
    """Digest of the trial's record. It changes if the trial is run again."""

    divergence: dict[str, float]
    """Intervention → mean KL divergence of the scores without and with it, in nats."""

    device: str
    versions: dict[str, str]
    """Versions that made the last evaluation."""

    evaluated: AwareDatetime
    ranks_digest: str
    digest: str = ""
    """SHA-256 of all other fields, see :mod:`lrbench.store.seal`."""


@dataclass(frozen=True)
class LaterEvaluation:
    """Ranks that were made after a trial."""

    record: EvaluationRecord
    folder: Path

    def ranks(self, intervention: str | None = UNCHANGED) -> pl.LazyFrame:
        """Scan the ranks, see :func:`lrbench.store.trials.read_ranks`."""
        return read_ranks(self.folder, intervention, _REMEDY)

    @property
    def ranks_file(self) -> Path:
        """The file of the ranks."""
        return self.folder / RANKS_FILE

    def read(self) -> pl.DataFrame:
        """Read all ranks, with and without interventions.

        Raises:
            LrbenchError: the file is missing or damaged.
        """
        return read_table(self.ranks(None), self.ranks_file, _REMEDY)

    def depths(self) -> set[int]:
        """Read at which depths the targets were ranked without an intervention.

        Raises:
            LrbenchError: the file is missing or damaged.
        """
        return set(read_table(self.ranks().select("depth").unique(), self.ranks_file, _REMEDY)["depth"])


def keep_evaluation(
    results: Results,
    trial: TrialRecord,
    ranks: pl.DataFrame,
    divergence: Mapping[str, float],
    device: str,
    versions: Mapping[str, str],
) -> None:
    """Keep ranks for reports, together with what earlier evaluations of the trial kept.

    A depth or an intervention that was evaluated before is replaced.

    Args:
        results: the results folder of the trial.
        trial: its record.
        ranks: rows as :data:`lrbench.store.trials.RANKS`.
        divergence: by intervention, see :class:`EvaluationRecord`.
        device: the device that ranked.
        versions: of Python, torch and lrbench.

    Raises:
        CheckError: what an earlier evaluation kept was changed, or the trial was run again meanwhile.
        LrbenchError: the trial was removed meanwhile, or is damaged.
        OSError: the results folder cannot be written.
    """
    folder, lock = results.evaluation(trial.id), results.evaluation_lock(trial.id)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock_on(lock):
        if read_record(results.trial(trial.id)).digest != trial.digest:
            raise CheckError(
                f"The trial {trial.id} was run again while it was evaluated.", "Evaluate it again."
            )
        known = read_evaluation(results, trial)
        if known is not None:
            key = ["depth", "intervention"]
            older = known.read().join(ranks.select(key).unique(), on=key, how="anti")
            ranks = pl.concat((older.select(ranks.columns), ranks))
            divergence = {**known.record.divergence, **divergence}
        with new_folder(folder) as made:
            ranks.write_parquet(made / RANKS_FILE, statistics=False)
            record = EvaluationRecord(
                trial=trial.id,
                trial_digest=trial.digest,
                divergence=dict(divergence),
                device=device,
                versions=dict(versions),
                evaluated=datetime.now(UTC).replace(microsecond=0),
                ranks_digest=file_digest(made / RANKS_FILE),
            )
            (made / EVALUATION_FILE).write_text(sealed_json(record), encoding="utf-8")


def discard_of_another_run(results: Results, trial_id: str) -> None:
    """Remove a later evaluation that ranked with the weights of another run of its trial.

    A process that was killed right after it had replaced the trial leaves one. An evaluation or a trial that
    cannot be read stays.

    Raises:
        OSError: the results folder cannot be written.
    """
    if _of_another_run(results, trial_id):
        lock = results.evaluation_lock(trial_id)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock_on(lock):
            if _of_another_run(results, trial_id):
                remove(results.evaluation(trial_id))


def _of_another_run(results: Results, trial_id: str) -> bool:
    folder = results.evaluation(trial_id)
    if not folder.is_dir():
        return False
    try:
        record, _ = read_sealed(folder / EVALUATION_FILE, EvaluationRecord, _REMEDY)
        trial = read_record(results.trial(trial_id))
    except LrbenchError:
        return False
    return record.trial == trial.id and record.trial_digest != trial.digest


def read_evaluation(results: Results, trial: TrialRecord) -> LaterEvaluation | None:
    """Return the ranks that were made after a trial; ``None``: there are none.

    Raises:
        CheckError: it was changed, or belongs to another run of the trial.
        LrbenchError: a file is missing or damaged.
    """
    folder = results.evaluation(trial.id)
    if not folder.is_dir():
        return None
    path = folder / EVALUATION_FILE
    record, _ = read_sealed(path, EvaluationRecord, _REMEDY)
    if (record.trial, record.trial_digest) != (trial.id, trial.digest):
        raise CheckError(f"{folder} was ranked with the weights of another run of the trial.", _REMEDY)
    with readable(folder / RANKS_FILE, _REMEDY):
        found = file_digest(folder / RANKS_FILE)
    if found != record.ranks_digest:
        raise CheckError(f"{folder / RANKS_FILE} was changed: its digest does not match.", _REMEDY)
    return LaterEvaluation(record, folder)
