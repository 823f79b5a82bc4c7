"""Whether a trial's files are those that the trial wrote.

Reports call :func:`check_ranks` for every trial that they read, which costs one pass over a file.
``lrbench verify`` lists everything that is wrong with a folder, with :func:`stored_faults`.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl

from lrbench.errors import CheckError, LrbenchError
from lrbench.store.layout import RANKS_FILE, RECORD_FILE
from lrbench.store.mean_metrics import mean_metrics
from lrbench.store.seal import file_digest, read_table
from lrbench.store.trials import REMEDY, TrialRecord, read_ranks, read_record

__all__ = ["check_file", "check_rank_values", "check_ranks", "stored_faults"]

_MEANS_AGREE = 1e-9  # relative; the same ranks summed in another order


def check_ranks(folder: Path, record: TrialRecord) -> None:
    """Refuse ranks that the trial did not write.

    Ranks are compared with their digest. Trials of earlier versions have none: there, the means of the ranks
    are compared with the metrics of ``trial.json``.

    Raises:
        CheckError: the ranks were changed, or no ranking gives them.
        LrbenchError: the file is missing or damaged.
    """
    path = folder / RANKS_FILE
    check_file(path, record)
    ranks = read_ranks(folder)
    if RANKS_FILE not in record.digests:
        _check_content(ranks, record, path)


def check_file(path: Path, record: TrialRecord) -> None:
    """Compare a file of a trial's folder with its digest; trials of earlier versions have none.

    Raises:
        CheckError: the file was changed, is missing, or cannot be read.
    """
    expected = record.digests.get(path.name)
    if expected is None:
        return
    try:
        found = file_digest(path)
    except FileNotFoundError as error:
        raise CheckError(f"{path} is missing.", REMEDY) from error
    except OSError as error:
        raise CheckError(f"{path} cannot be read: {error.strerror}.", REMEDY) from error
    if found != expected:
        raise CheckError(f"{path} was changed after the trial wrote it: its digest does not match.", REMEDY)


def stored_faults(folder: Path, left_out: Collection[str] = ()) -> list[str]:
    """Return a sentence for everything that is wrong with a trial's files, without ranking again.

    Args:
        folder: the trial's.
        left_out: files that may be missing.
    """
    try:
        record = read_record(folder)
    except LrbenchError as error:
        return [error.cause]
    faults = []
    for name in record.digests:
        if name in left_out and not (folder / name).exists():
            continue
        try:
            check_file(folder / name, record)
        except CheckError as error:
            faults.append(error.cause)
    path = folder / RANKS_FILE
    if not any(fault.startswith(str(path)) for fault in faults):
        try:
            _check_content(read_ranks(folder), record, path)
        except LrbenchError as error:
            faults.append(error.cause)
    return faults


def check_rank_values(ranks: pl.LazyFrame, path: Path) -> pl.DataFrame:
    """Read the ranks of a file, and refuse those that no ranking gives.

    Raises:
        CheckError: a rank is missing, not finite or below 1.
        LrbenchError: the file is damaged.
    """
    table = read_table(ranks, path, REMEDY)
    columns = pl.col("rank", "rank_masked")
    wrong = table.select((columns.is_null() | ~columns.is_finite() | (columns < 1)).sum())
    count = int(sum(wrong.row(0)))
    if count:
        raise CheckError(f"{path} holds {count:,} ranks that are missing, not finite or below 1.", REMEDY)
    return table


def _check_content(ranks: pl.LazyFrame, record: TrialRecord, path: Path) -> None:
    """Refuse ranks that no ranking gives, or whose means are not the metrics of ``trial.json``."""
    table = check_rank_values(ranks, path)
    found = mean_metrics(table, record.protocol)
    for split, depths in record.metrics.items():
        for depth, metrics in depths.items():
            if depth not in found.get(split, {}):
                raise CheckError(f"{path} has no {split} ranks at depth {depth}.", REMEDY)
            for metric, stored in metrics.items():
                mean = found[split][depth].get(metric, np.nan)
                if not np.isclose(mean, stored, rtol=_MEANS_AGREE, atol=1e-12):
                    raise CheckError(
                        f"{path} gives a {split} {metric} of {mean:.6g} at depth {depth}, "
                        f"and {path.with_name(RECORD_FILE)} says {stored:.6g}.",
                        REMEDY,
                    )
