"""The stored ranks of a suite: as one Polars frame for users, and aligned by target for the statistics.

Statistics compare users with themselves. Every trial of a dataset must therefore have ranked the same
held-out item of the same users. This is checked by the raw ids, never assumed from the order of rows.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from lrbench.arrays import Floats
from lrbench.errors import CheckError, RequestError
from lrbench.metrics import metric_cutoff, metric_function
from lrbench.store.brief_ranks import mark_left_out
from lrbench.store.evaluations import LaterEvaluation, read_evaluation
from lrbench.store.integrity import check_file, check_ranks
from lrbench.store.layout import HISTORY_FILE, RANKS_FILE, Results
from lrbench.store.seal import read_table
from lrbench.store.suites import SuiteRecord, SuiteTrial
from lrbench.store.trials import RANKS, REMEDY, UNCHANGED, TrialRecord, read_history, read_ranks, read_record

__all__ = [
    "AlignedRanks",
    "EvaluationSplit",
    "FinishedTrial",
    "aligned_ranks",
    "finished_trials",
    "suite_ranks",
]

EvaluationSplit = Literal["valid", "test"]


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


@dataclass(frozen=True)
class AlignedRanks:
    """Ranks of several trials of one dataset, over the same targets in the same order."""

    targets: pl.DataFrame  # (targets,) columns user and target, the raw ids
    ranks: dict[tuple[str, int], Floats]  # (trial id, depth) → (targets, draws)
    ties: dict[tuple[str, int], Floats | None]  # the same; None where the trial did not store them
    exact_to: Mapping[tuple[str, int], int | None] = field(default_factory=dict)
    """(trial id, depth) → largest rank that is exact; ``None`` or no entry: all are."""

    def metric(self, trials: Iterable[str], depth: int, name: str) -> Floats:
        """Return values of a metric, means over draws, (trials, users).

        Where users have several targets, a user's value is the sum over them, scaled so that the mean over
        users is the mean over targets. Tests then take users as independent, not their targets.

        Raises:
            RequestError: a brief archive left out ranks that the metric needs.
        """
        values = np.stack([self.by_draw(trial, depth, name).mean(axis=1) for trial in trials])
        users = len(self.users)
        if users == len(self.targets):
            return values
        distinct = pl.DataFrame({"user": self.users}).with_row_index("number")
        number = self.targets.join(distinct, on="user", how="left", maintain_order="left")[
            "number"
        ].to_numpy()
        sums = np.stack([np.bincount(number, weights=row, minlength=users) for row in values])
        return np.asarray(sums * (users / len(self.targets)), dtype=np.float64)

    def by_draw(self, trial: str, depth: int, name: str) -> Floats:
        """Return values of a metric of one trial at one depth, (targets, draws).

        Raises:
            RequestError: a brief archive left out ranks that the metric needs.
        """
        key = trial, depth
        limit = self.exact_to.get(key)
        if limit is not None and (metric_cutoff(name) or np.inf) > limit:
            raise RequestError(
                f"At depth {depth}, {name} cannot be computed: the trial {trial} is from a brief archive. It "
                f"left out ranks beyond {limit} in validation and at depths other than the reported one.",
                f"Use recall@K or ndcg@K with K up to {limit}. "
                "Or import an archive with all ranks into another folder.",
            )
        return metric_function(name)(self.ranks[key], self.ties[key])

    @property
    def users(self) -> pl.Series:
        """The raw ids of the users, each once, in the order of :meth:`metric`."""
        return self.targets["user"].unique(maintain_order=True)

    def fingerprint(self, keys: Iterable[tuple[str, int]]) -> str:
        """Return a hash of the ranks of several trials, each at a depth.

        Args:
            keys: trial ids with depths.
        """
        digest = hashlib.sha256()
        for key in keys:
            digest.update(repr(self.ranks[key].shape).encode())
            digest.update(np.ascontiguousarray(self.ranks[key]).tobytes())
        return digest.hexdigest()

    def depths(self, trials: Iterable[str]) -> list[int]:
        """Return the depths at which all of the trials were ranked, ascending."""
        found = [{depth for trial, depth in self.ranks if trial == wanted} for wanted in trials]
        return sorted(set.intersection(*found))


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


def aligned_ranks(
    trials: Sequence[FinishedTrial],
    masked: bool,
    split: EvaluationSplit = "test",
    every_depth: bool = False,
    intervention: str = UNCHANGED,
    order: pl.DataFrame | None = None,
) -> AlignedRanks:
    """Read the ranks of trials of one dataset and protocol.

    Args:
        trials: one or more; a trial with two labels is read once.
        masked: take the ranks without seen items; otherwise those among all items.
        split: which held-out items.
        every_depth: take all stored depths; otherwise the one that reports use.
        intervention: take the ranks under this intervention.
        order: the targets in the order to take, as in :class:`AlignedRanks`; `None`: that of the first trial.

    Raises:
        CheckError: a trial lacks draws of a user, two trials did not rank the same targets, or a rank is not
            a number from 1 to the number of items.
        ValueError: ``trials`` is empty.
    """
    suffix = "_masked" if masked else ""
    ranks: dict[tuple[str, int], Floats] = {}
    ties: dict[tuple[str, int], Floats | None] = {}
    exact_to: dict[tuple[str, int], int | None] = {}
    reference = order
    for trial in {trial.record.id: trial for trial in trials}.values():
        rows = trial.ranks(intervention).filter(split=split)
        if not every_depth:
            rows = rows.filter(depth=trial.record.depth)
        rows = rows.select(
            "user",
            "target",
            "depth",
            "draw",
            pl.col(f"rank{suffix}").alias("rank"),
            pl.col(f"ties{suffix}").alias("ties"),
        )
        table = read_table(rows, trial.folder / RANKS_FILE, REMEDY)
        _check_range(table, trial)
        parts = table.partition_by("depth", "draw", as_dict=True)
        draws: dict[int, list[pl.DataFrame]] = {}
        for (depth, _), part in sorted(parts.items(), key=lambda item: item[0]):
            reference = part.select("user", "target") if reference is None else reference
            draws.setdefault(depth, []).append(_in_order(part, reference, trials[0].record, trial.record))
        if not draws:
            raise CheckError(
                f"{trial.folder / RANKS_FILE} has no {split} ranks at depth {trial.record.depth}.",
                "It is damaged: remove the trial's folder and run it again.",
            )
        tied = table["ties"].null_count() == 0
        for depth, ordered in draws.items():
            key = trial.record.id, depth
            ranks[key] = _stacked(ordered, "rank")
            ties[key] = _stacked(ordered, "ties") if tied else None
            exact_to[key] = trial.record.exact_to(split, depth)
    if reference is None:
        raise ValueError("no trials to align")
    return AlignedRanks(reference, ranks, ties, exact_to)


def _stacked(draws: Sequence[pl.DataFrame], column: str) -> Floats:
    columns = [part[column].to_numpy() for part in draws]
    return np.stack(columns, axis=1).astype(np.float64)  # (targets, draws)


def _check_range(rows: pl.DataFrame, trial: FinishedTrial) -> None:
    """Refuse ranks that no ranking can give. They would silently count as misses."""
    items = trial.record.dataset.counts.items
    wrong = int((~rows["rank"].is_between(1, items)).fill_null(True).sum())
    if wrong:
        raise CheckError(
            f"{trial.folder / 'ranks.parquet'} has {wrong:,} ranks outside 1 to {items:,} "
            "or without a value.",
            "It is damaged: remove the trial's folder and run it again.",
        )


def _in_order(
    part: pl.DataFrame, reference: pl.DataFrame, first: TrialRecord, second: TrialRecord
) -> pl.DataFrame:
    """Return the rows of one depth and draw in the order of ``reference``.

    Every trial writes its targets in the same order, so they rarely need to be sorted.
    """
    if not all(part[key].equals(reference[key]) for key in ("user", "target")):
        joined = reference.join(part, on=["user", "target"], how="left", maintain_order="left")
        if len(part) != len(reference) or len(joined) != len(reference) or joined["rank"].null_count():
            raise _other_targets(part, reference, first, second)
        part = joined
    return part


def _other_targets(
    part: pl.DataFrame, reference: pl.DataFrame, first: TrialRecord, second: TrialRecord
) -> CheckError:
    """Return an error that says how the targets of two trials, or of two draws of a trial, differ."""
    lost = len(reference.join(part, on="user", how="anti"))
    extra = len(part.join(reference, on="user", how="anti"))
    shared = reference.join(part, on="user", how="inner", suffix="_other")
    moved = int((shared["target"] != shared["target_other"]).sum())
    return CheckError(
        f"Ranks of {first.dataset.name} in trials {first.id} and {second.id} are not on the same targets: "
        f"{lost} users are only in the first, {extra} only in the second, {moved} have another target "
        f"(fingerprints {first.dataset.fingerprint} and {second.dataset.fingerprint}).",
        "They come from different data, or a file is damaged: run the suite again with --rerun all.",
    )
