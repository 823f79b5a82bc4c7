"""The stored ranks of trials, aligned by target for the statistics.

Statistics compare users with themselves. Every trial of a dataset must therefore have ranked the same
held-out item of the same users. This is checked by the raw ids, never assumed from the order of rows.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from lrbench.arrays import Floats, Int64s
from lrbench.errors import CheckError, RequestError
from lrbench.metrics import metric_cutoff, metric_function
from lrbench.store.frames import FinishedTrial
from lrbench.store.layout import RANKS_FILE
from lrbench.store.seal import read_table
from lrbench.store.trials import REMEDY, UNCHANGED, TrialRecord

__all__ = ["AlignedRanks", "DepthRanks", "EvaluationSplit", "aligned_ranks"]

EvaluationSplit = Literal["valid", "test"]


@dataclass(frozen=True)
class DepthRanks:
    """The ranks of one trial at one depth."""

    ranks: Floats  # (targets, draws)
    ties: Floats | None  # (targets, draws); None: the trial did not store them
    exact_to: int | None
    """The largest rank that is exact; ``None``: all are."""


@dataclass(frozen=True)
class AlignedRanks:
    """Ranks of several trials of one dataset, over the same targets in the same order."""

    targets: pl.DataFrame  # (targets,) columns user and target, the raw ids
    stored: Mapping[tuple[str, int], DepthRanks]
    """By trial id and depth."""

    def metric(self, trials: Iterable[str], depth: int, name: str) -> Floats:
        """Return values of a metric, means over draws and sums over the targets of a user, (trials, users).

        Raises:
            RequestError: a brief archive left out ranks that the metric needs.
        """
        values = np.stack([self.by_draw(trial, depth, name).mean(axis=1) for trial in trials])
        if len(self.users) == len(self.targets):
            return values
        number = self._user_numbers
        sums = [np.bincount(number, weights=row, minlength=len(self.users)) for row in values]
        return np.stack(sums)

    @property
    def targets_per_user(self) -> Int64s:
        """The number of targets of each user, (users,)."""
        return np.bincount(self._user_numbers, minlength=len(self.users))

    @property
    def _user_numbers(self) -> Int64s:
        """The place in :attr:`users` of each target's user, (targets,)."""
        distinct = pl.DataFrame({"user": self.users}).with_row_index("number")
        numbered = self.targets.join(distinct, on="user", how="left", maintain_order="left")
        return numbered["number"].cast(pl.Int64).to_numpy()

    def by_draw(self, trial: str, depth: int, name: str) -> Floats:
        """Return values of a metric of one trial at one depth, (targets, draws).

        Raises:
            RequestError: a brief archive left out ranks that the metric needs.
        """
        at_depth = self.stored[trial, depth]
        limit = at_depth.exact_to
        if limit is not None and (metric_cutoff(name) or np.inf) > limit:
            raise RequestError(
                f"At depth {depth}, {name} cannot be computed: the trial {trial} is from a brief archive. It "
                f"left out ranks beyond {limit} in validation and at depths other than the reported one.",
                f"Use recall@K or ndcg@K with K up to {limit}. "
                "Or import an archive with all ranks into another folder.",
            )
        return metric_function(name)(at_depth.ranks, at_depth.ties)

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
            ranks = self.stored[key].ranks
            digest.update(repr(ranks.shape).encode())
            digest.update(np.ascontiguousarray(ranks).tobytes())
        return digest.hexdigest()

    def depths(self, trials: Iterable[str]) -> list[int]:
        """Return the depths at which all of the trials were ranked, ascending."""
        found = [{depth for trial, depth in self.stored if trial == wanted} for wanted in trials]
        return sorted(set.intersection(*found))


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
    targets = order
    found: dict[tuple[str, int], DepthRanks] = {}
    for trial in {trial.record.id: trial for trial in trials}.values():
        table = _read(trial, masked, split, every_depth, intervention)
        stores_ties = table["ties"].null_count() == 0
        for depth, draws in _draws_by_depth(table).items():
            if targets is None:
                targets = draws[0].select("user", "target")
            ordered = [_in_order(draw, targets, trials[0].record, trial.record) for draw in draws]
            found[trial.record.id, depth] = DepthRanks(
                ranks=_stacked(ordered, "rank"),
                ties=_stacked(ordered, "ties") if stores_ties else None,
                exact_to=trial.record.exact_to(split, depth),
            )
    if targets is None:
        raise ValueError("no trials to align")
    return AlignedRanks(targets, found)


def _read(
    trial: FinishedTrial, masked: bool, split: EvaluationSplit, every_depth: bool, intervention: str
) -> pl.DataFrame:
    """Read the rows that :func:`aligned_ranks` takes from a trial: user, target, depth, draw, rank, ties."""
    suffix = "_masked" if masked else ""
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
    if not len(table):
        raise CheckError(
            f"{trial.folder / RANKS_FILE} has no {split} ranks at depth {trial.record.depth}.",
            "It is damaged: remove the trial's folder and run it again.",
        )
    return table


def _draws_by_depth(table: pl.DataFrame) -> dict[int, list[pl.DataFrame]]:
    """Return depth → the rows of each draw, both ascending."""
    parts = table.partition_by("depth", "draw", as_dict=True)
    draws: dict[int, list[pl.DataFrame]] = {}
    for (depth, _), part in sorted(parts.items(), key=lambda item: item[0]):
        draws.setdefault(depth, []).append(part)
    return draws


def _stacked(draws: Sequence[pl.DataFrame], column: str) -> Floats:
    columns = [part[column].to_numpy() for part in draws]
    return np.stack(columns, axis=1).astype(np.float64)  # (targets, draws)


def _check_range(rows: pl.DataFrame, trial: FinishedTrial) -> None:
    """Refuse ranks that no ranking can give. They would silently count as misses."""
    items = trial.record.dataset.counts.items
    wrong = int((~rows["rank"].is_between(1, items)).fill_null(True).sum())
    if wrong:
        raise CheckError(
            f"{trial.folder / RANKS_FILE} has {wrong:,} ranks outside 1 to {items:,} or without a value.",
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
