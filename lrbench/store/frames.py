"""The finished trials of a suite, and their stored ranks as one Polars frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lrbench.errors import CheckError
from lrbench.store.brief_ranks import mark_left_out
from lrbench.store.evaluations import LaterEvaluation, read_evaluation
from lrbench.store.integrity import check_file, check_ranks
from lrbench.store.layout import HISTORY_FILE, Results
from lrbench.store.suites import SuiteRecord, SuiteTrial
from lrbench.store.trials import RANKS, UNCHANGED, TrialRecord, read_history, read_ranks, read_record

__all__ = ["FinishedTrial", "finished_trials", "suite_ranks"]


@dataclass(frozen=True)
class FinishedTrial:
    """A cell of a suite whose trial is complete."""

    cell: SuiteTrial
    record: TrialRecord
    folder: Path
    evaluation: LaterEvaluation | None = None
    """The ranks of ``lrbench evaluate`` after the run; ``None``: there are none."""

    @property
    def divergence(self) -> dict[str, float]:
        """Intervention → mean KL divergence of the scores, in nats; see :class:`TrialRecord`."""
        later = {} if self.evaluation is None else self.evaluation.record.divergence
        return {**later, **self.record.divergence}

    def ranks(self, intervention: str | None = UNCHANGED) -> pl.LazyFrame:
        """Scan the trial's ranks, and later ranks at depths or under interventions that the trial lacks.

        Args:
            intervention: take only rows with this one; ``None``: all rows.
        """
        own = read_ranks(self.folder, intervention)
        if self.evaluation is None:
            return own
        depths = [int(depth) for depth in self.record.metrics["test"]]
        unchanged = pl.col("intervention") == UNCHANGED
        known = (unchanged & pl.col("depth").is_in(depths)) | pl.col("intervention").is_in(
            list(self.record.divergence)
        )
        return pl.concat(
            (own.select(*RANKS), self.evaluation.ranks(intervention).select(*RANKS).filter(~known))
        )

    def history(self) -> pl.DataFrame:
        """Read what the trial recorded of every epoch, see :func:`lrbench.store.trials.read_history`.

        Raises:
            CheckError: the file was changed.
            LrbenchError: it is missing or damaged.
        """
        check_file(self.folder / HISTORY_FILE, self.record)
        return read_history(self.folder)

    def later_depths(self) -> set[int]:
        """Return the depths that were ranked only after the run."""
        if self.evaluation is None:
            return set()
        return self.evaluation.depths() - {int(depth) for depth in self.record.metrics["test"]}


def finished_trials(suite: SuiteRecord, results: Results) -> tuple[list[FinishedTrial], list[SuiteTrial]]:
    """Return the suite's cells whose trials are complete, in its order, and the other cells.

    Raises:
        CheckError: a trial's record or ranks are not those that the trial wrote, or a cell names a trial of
            another dataset or seed.
        LrbenchError: a trial's file is missing or damaged.
    """
    records: dict[str, TrialRecord] = {}
    finished, missing = [], []
    for cell in suite.trials:
        folder = results.trial(cell.trial)
        if not folder.is_dir():
            missing.append(cell)
            continue
        if cell.trial not in records:
            records[cell.trial] = record = read_record(folder)
            check_ranks(folder, record)
        _check_cell(cell, records[cell.trial], suite)
        record = records[cell.trial]
        finished.append(FinishedTrial(cell, record, folder, read_evaluation(results, record)))
    return finished, missing


def _check_cell(cell: SuiteTrial, record: TrialRecord, suite: SuiteRecord) -> None:
    if (cell.dataset, cell.seed) != (record.dataset.name, record.seed):
        raise CheckError(
            f'Suite {suite.name} has "{cell.label}" on {cell.dataset} with seed {cell.seed} from the trial '
            f"{cell.trial}, which is of {record.dataset.name} with seed {record.seed}.",
            "The suite's record is damaged: run the suite again; done trials are kept.",
        )


def suite_ranks(trials: Sequence[FinishedTrial]) -> pl.LazyFrame:
    """Scan the ranks of all trials: columns label, dataset, seed and trial, then those of ``RANKS``.

    Ranks that a brief archive left out are NaN.
    """
    cells = pl.Schema({"label": pl.String, "dataset": pl.String, "seed": pl.Int64, "trial": pl.String})
    if not trials:
        return pl.LazyFrame(schema={**cells, **RANKS})
    return pl.concat(
        mark_left_out(trial.ranks(None), trial.record).select(
            *(pl.lit(getattr(trial.cell, name), dtype).alias(name) for name, dtype in cells.items()),
            *RANKS,
        )
        for trial in trials
    )
