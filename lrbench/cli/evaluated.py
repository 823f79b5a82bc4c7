"""Rank a stored trial at other depths and with changed latents, and tabulate means over seeds."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import polars as pl
from rich.table import Table

from lrbench.config.interventions import Intervention
from lrbench.config.trial import EvaluationConfig
from lrbench.execution.stored_trial import StoredTrial, load_trial
from lrbench.store.evaluations import discard_of_another_run, keep_evaluation, read_evaluation
from lrbench.store.layout import RANKS_FILE, results_of
from lrbench.store.mean_metrics import mean_metrics
from lrbench.store.seal import read_table
from lrbench.store.trials import REMEDY, TrialRecord, read_ranks, read_record
from lrbench.versions import versions

if TYPE_CHECKING:
    from lrbench.data.obtain import Library

__all__ = [
    "Asked",
    "Evaluated",
    "changes_table",
    "check_kept",
    "depths_table",
    "evaluate_trial",
    "keep_for_reports",
]


@dataclass(frozen=True)
class Asked:
    """At which depths to rank, with how many draws, and under which interventions."""

    depths: tuple[int, ...]
    draws: int
    interventions: tuple[Intervention, ...]


@dataclass(frozen=True)
class Change:
    """What an intervention does to one trial."""

    metrics: Mapping[str, float]
    """Metric → mean over users and draws, on test at the reported depth."""

    divergence: float | None
    """Mean Kullback-Leibler divergence of the scores, in nats; ``None`` where the latent is unchanged."""

    moved: float
    """Median change of rank; positive: the target ranks worse."""


@dataclass(frozen=True)
class Evaluated:
    """One trial, ranked as asked."""

    record: TrialRecord
    ranks: pl.DataFrame
    """Rows as :data:`lrbench.store.trials.RANKS`; those under interventions come last."""

    depths: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Split → depth → metric → mean over users and draws."""

    changes: Mapping[str, Change]
    """By intervention; ``none`` comes first. Empty where no intervention was asked for."""

    divergence: Mapping[str, float]
    """By intervention, the mean Kullback-Leibler divergence of the scores, in nats."""

    device: str


def evaluate_trial(folder: Path, library: "Library", asked: Asked) -> Evaluated:
    """Rank with a trial's stored weights; its folder does not change.

    A model without reasoning steps is ranked at depth 0, without interventions.

    Raises:
        CheckError: the data or the weights are not those of the trial.
        LrbenchError: a file is missing or damaged.
    """
    stored = load_trial(folder, library)
    reasons = stored.record.depth > 0
    evaluation = EvaluationConfig(
        depths=asked.depths if reasons else (0,),
        draws=asked.draws,
        latents=stored.record.config.evaluation.latents,
        interventions=asked.interventions if reasons else (),
    )
    ranks = stored.ranked_by_depth(evaluation)
    changed, divergence = stored.ranked_with_interventions(evaluation)
    return Evaluated(
        record=stored.record,
        ranks=pl.concat((ranks, changed)),
        depths=mean_metrics(ranks, stored.record.protocol),
        changes=_changes(stored, changed, divergence) if divergence else {},
        divergence=divergence,
        device=stored.device.type,
    )


def check_kept(folder: Path) -> None:
    """Discard what was kept of another run of the trial, and refuse what was changed.

    This is called before ranking, which may take hours.

    Raises:
        CheckError: what an earlier evaluation kept was changed.
        LrbenchError: a file is missing or damaged.
    """
    results = results_of(folder)
    if results is not None:
        record = read_record(folder)
        with suppress(OSError):  # nothing can be written there, and nothing will be kept
            discard_of_another_run(results, record.id)
        read_evaluation(results, record)


def keep_for_reports(folder: Path, evaluated: Evaluated) -> str:
    """Keep the ranks beside the trial's folder, where reports find them; return why that cannot be done.

    Raises:
        CheckError: what an earlier evaluation kept was changed, or the trial was run again meanwhile.
    """
    results = results_of(folder)
    if results is None:
        return f"{folder} is in no results folder"
    try:
        keep_evaluation(
            results,
            evaluated.record,
            evaluated.ranks,
            evaluated.divergence,
            evaluated.device,
            versions(),
        )
    except OSError as error:
        return f"{results.root} cannot be written ({error.strerror})"
    return ""


def _changes(
    stored: StoredTrial, changed: pl.DataFrame, divergence: Mapping[str, float]
) -> dict[str, Change]:
    record = stored.record
    suffix = "_masked" if record.protocol.mask_seen else ""
    test = read_ranks(stored.folder).filter(split="test", depth=record.depth)
    own = read_table(test, stored.folder / RANKS_FILE, REMEDY)
    found = {}
    for name, rows in [("none", own), *((kind, changed.filter(intervention=kind)) for kind in divergence)]:
        moved = rows.join(own, on=["user", "target", "draw"], suffix="_own").select(
            (pl.col(f"rank{suffix}") - pl.col(f"rank{suffix}_own")).median()
        )
        means = mean_metrics(rows, record.protocol)["test"][str(record.depth)]
        found[name] = Change(means, divergence.get(name), moved.item() or 0.0)
    return found


def depths_table(title: str, seeds: Sequence[Evaluated]) -> Table:
    """Return a table of mean metrics over seeds, with a line for each split and depth."""
    metrics = seeds[0].record.protocol.metrics
    table = _table(title, "split", "depth", *metrics)
    for split, by_depth in seeds[0].depths.items():
        for depth in by_depth:
            means = (fmean(seed.depths[split][depth][metric] for seed in seeds) for metric in metrics)
            table.add_row(split, depth, *(f"{mean:.4f}" for mean in means))
    return table


def changes_table(seeds: Sequence[Evaluated]) -> Table:
    """Return a table with a line for each intervention: metrics, divergence and median change of rank.

    All numbers are means over seeds.
    """
    metrics = seeds[0].record.protocol.metrics
    depth = seeds[0].record.depth
    title = f"test ranks under interventions, depth {depth}: mean KL in nats, median change of rank (Δ rank)"
    table = _table(title, "intervention", *metrics, "KL", "Δ rank")
    for name in seeds[0].changes:
        changes = [seed.changes[name] for seed in seeds]
        means = (fmean(change.metrics[metric] for change in changes) for metric in metrics)
        known = [change.divergence for change in changes if change.divergence is not None]
        moved = fmean(change.moved for change in changes)
        divergence = f"{fmean(known):.4f}" if known else "–"
        table.add_row(name, *(f"{mean:.4f}" for mean in means), divergence, f"{moved:+g}")
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right", overflow="fold")
    return table
