"""Trials of a brief archive: ranks stay exact only where a table of a report needs them.

Ranks at the reported depth on test stay exact, with and without interventions. All other ranks count only
through Recall@K and NDCG@K. There, a target that is certainly beyond the largest cut-off gets one rank for
all: the first beyond it, without ties. It stays a miss, so every Recall@K and NDCG@K up to this cut-off stays
the same to the last bit. MRR does not, so its means are removed from the record.
"""

import shutil
from pathlib import Path

import polars as pl

from lrbench.errors import RequestError
from lrbench.files import write_text
from lrbench.metrics import metric_cutoff
from lrbench.store.evaluations import EvaluationRecord
from lrbench.store.layout import EVALUATION_FILE, RANKS_FILE, RECORD_FILE, Results
from lrbench.store.seal import file_digest, read_sealed, read_table, sealed_json
from lrbench.store.trials import RANKS, REMEDY, TrialRecord, read_ranks, read_record

__all__ = [
    "brief_ranks",
    "largest_cutoff",
    "mark_left_out",
    "renew_evaluation",
    "write_brief_trial",
    "write_renewed",
]

_COLUMNS = (("rank", "ties"), ("rank_masked", "ties_masked"))


def largest_cutoff(record: TrialRecord, primary_metric: str) -> int:
    """Return the largest cut-off of a trial's metrics and of its suite's primary metric.

    Raises:
        RequestError: the primary metric is MRR, which needs all ranks.
    """
    primary = metric_cutoff(primary_metric)
    if primary is None:
        raise RequestError(
            "The suite's primary metric is MRR, which needs all ranks.", "Leave --brief out; use --compact."
        )
    stored = {name for depths in record.metrics.values() for means in depths.values() for name in means}
    cutoffs = map(metric_cutoff, stored | set(record.protocol.metrics))
    return max(primary, *(cutoff for cutoff in cutoffs if cutoff is not None))


def brief_ranks(ranks: pl.DataFrame, depth: int, largest: int) -> pl.DataFrame:
    """Return ranks of which only those that tables need are exact.

    Rankings that stay exact come last. They are similar, and so they compress better.

    Args:
        ranks: rows as :data:`lrbench.store.trials.RANKS`.
        depth: the depth that reports use.
        largest: the largest cut-off.
    """
    exact = _exact(depth)
    changes = []
    for rank, ties in _COLUMNS:
        above = pl.col(rank) - 1 - pl.col(ties).fill_null(0) / 2  # items that certainly precede the target
        miss = ~exact & (above >= largest)
        changes.append(pl.when(miss).then(float(largest + 1)).otherwise(pl.col(rank)).alias(rank))
        none = pl.when(pl.col(ties).is_not_null()).then(pl.lit(0, pl.Int32))  # unknown ties stay unknown
        changes.append(pl.when(miss).then(none).otherwise(pl.col(ties)).alias(ties))
    brief = ranks.with_columns(changes)
    # In one chunk, as unpacked tables are: Parquet has other bytes for several.
    return pl.concat((brief.filter(~exact), brief.filter(exact)), rechunk=True)


def _exact(depth: int) -> pl.Expr:
    return (pl.col("split") == "test") & (pl.col("depth") == depth)


def mark_left_out(ranks: pl.LazyFrame, record: TrialRecord) -> pl.LazyFrame:
    """Return a trial's ranks, with NaN for those that a brief archive left out.

    Later evaluations keep all ranks. They are at other depths, or on test at the reported depth.

    Args:
        ranks: rows as :data:`lrbench.store.trials.RANKS`.
        record: the trial's record.
    """
    if record.exact_ranks_to is None:
        return ranks
    own = pl.col("depth").is_in([int(depth) for depth in record.metrics["test"]])
    replaced = own & ~_exact(record.depth)
    return ranks.with_columns(
        pl.when(replaced & (pl.col(rank) == record.exact_ranks_to + 1) & (pl.col(ties).fill_null(0) == 0))
        .then(float("nan"))
        .otherwise(pl.col(rank))
        .alias(rank)
        for rank, ties in _COLUMNS
    )


def write_brief_trial(
    record: TrialRecord, results: Results, primary_metric: str, target: Results
) -> list[Path]:
    """Write the changed files of a trial, and those of its later evaluation, into another results folder.

    Args:
        record: the trial's record.
        results: where the trial is.
        primary_metric: the suite's primary metric.
        target: where the files are written.

    Returns:
        The files; none if the trial came from a brief archive.

    Raises:
        RequestError: the primary metric needs all ranks.
        LrbenchError: the ranks are damaged.
    """
    largest = largest_cutoff(record, primary_metric)
    if record.exact_ranks_to is not None:
        return []
    source, folder = results.trial(record.id), target.trial(record.id)
    folder.mkdir(parents=True)
    evaluation = target.evaluation(record.id)
    if results.evaluation(record.id).is_dir():
        shutil.copytree(results.evaluation(record.id), evaluation)
    ranks = read_table(read_ranks(source, None), source / RANKS_FILE, REMEDY).select(*RANKS)
    file = folder / RANKS_FILE
    brief_ranks(ranks, record.depth, largest).write_parquet(file, statistics=False)
    changes = {
        "exact_ranks_to": largest,
        "metrics": _without_mrr(record),
        "digests": {**record.digests, RANKS_FILE: file_digest(file)},
    }
    write_renewed(record.model_copy(update=changes), target)
    return [*folder.iterdir(), *evaluation.glob("*")]


def _without_mrr(record: TrialRecord) -> dict[str, dict[str, dict[str, float]]]:
    """Return the means of a record, with MRR only where all ranks are exact."""
    return {
        split: {
            depth: {
                name: mean
                for name, mean in means.items()
                if name != "mrr" or (split, depth) == ("test", str(record.depth))
            }
            for depth, means in depths.items()
        }
        for split, depths in record.metrics.items()
    }


def write_renewed(record: TrialRecord, results: Results) -> None:
    """Write a trial's record with a new digest, and name it in the trial's later evaluation.

    Raises:
        LrbenchError: the evaluation cannot be read.
    """
    write_text(results.trial(record.id) / RECORD_FILE, sealed_json(record))
    if results.evaluation(record.id).is_dir():
        renew_evaluation(record.id, results)


def renew_evaluation(trial: str, results: Results) -> None:
    """Renew the digests that a trial's later evaluation has of the trial's record and of its own ranks.

    Raises:
        LrbenchError: the evaluation cannot be read.
    """
    path = results.evaluation(trial) / EVALUATION_FILE
    evaluation, _ = read_sealed(path, EvaluationRecord, REMEDY)
    digests = {
        "trial_digest": read_record(results.trial(trial)).digest,
        "ranks_digest": file_digest(path.with_name(RANKS_FILE)),
    }
    write_text(path, sealed_json(evaluation.model_copy(update=digests)))
