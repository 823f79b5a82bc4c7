"""Rank again with stored weights, and compare with the stored ranks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from lrbench.arrays import Floats
from lrbench.config.interventions import INTERVENTIONS
from lrbench.config.trial import EvaluationConfig
from lrbench.evaluation.latents import steps_taking
from lrbench.evaluation.score_gaps import score_gaps
from lrbench.execution.stored_trial import StoredTrial
from lrbench.seeds import noise_seed
from lrbench.store.brief_ranks import brief_ranks
from lrbench.store.evaluations import LaterEvaluation
from lrbench.store.layout import RANKS_FILE
from lrbench.store.seal import read_table
from lrbench.store.trials import REMEDY, UNCHANGED, read_ranks

__all__ = ["RanksCompared", "rank_again", "rank_evaluation_again"]

ROUNDING = 1e-4
"""Largest score gap that counts as rounding, as a share of the largest score.

Scores in float32 have a relative rounding error of 6e-8. Networks of a few layers multiply it by about 100.
"""


_MOST_MEASURED = 1000
"""The score gap of so many ranks is measured at most."""

_KEYS = ("split", "user", "target", "depth", "draw", "intervention")


@dataclass(frozen=True)
class RanksCompared:
    """The difference between the ranks that the stored weights give and the stored ranks."""

    ranks: int
    """Number of ranks that were compared."""

    differing: int
    """Number of ranks that differ."""

    sentence: str
    """A message that says what differs; empty if nothing differs."""


def rank_again(stored: StoredTrial) -> RanksCompared:
    """Rank with the stored weights as the trial did, and compare with its ranks.

    Raises:
        LrbenchError: the stored ranks cannot be read.
    """
    evaluation = stored.record.config.evaluation
    file = stored.folder / RANKS_FILE
    kept = read_table(read_ranks(stored.folder, intervention=None), file, REMEDY)
    changed, _ = stored.ranked_with_interventions(evaluation)
    ranks = pl.concat((stored.ranked(evaluation), changed))
    largest = stored.record.exact_ranks_to
    if largest is not None:
        ranks = brief_ranks(ranks, stored.record.depth, largest)
    if not kept.select(_KEYS).equals(ranks.select(_KEYS)):
        return RanksCompared(ranks.height, ranks.height, _other_rows(kept, ranks, file))
    if largest is not None:  # how far ranks differ is not known where they were left out
        count = _differing(kept, ranks)
        said = f"{count:,} of {ranks.height:,} ranks differ from those stored." if count else ""
        return RanksCompared(ranks.height, count, said)
    return _compared(stored, evaluation, kept, ranks)


def rank_evaluation_again(stored: StoredTrial, evaluation: LaterEvaluation) -> RanksCompared:
    """Rank again what ``lrbench evaluate`` ranked after the trial, and compare.

    The depths and interventions may come from several calls, each with its own number of draws.

    Raises:
        LrbenchError: the ranks cannot be read.
    """
    kept, file = evaluation.read(), evaluation.ranks_file
    total, differing, sentences = 0, 0, []
    for part, asked in _parts(stored, kept):
        ranks = stored.ranked_with_interventions(asked)[0] if asked.interventions else stored.ranked(asked)
        aligned = ranks.select(_KEYS).join(part, on=_KEYS, how="left", maintain_order="left")
        if part.height != ranks.height or aligned["rank"].null_count():
            found = RanksCompared(ranks.height, ranks.height, _other_rows(part, ranks, file))
        else:
            found = _compared(stored, asked, aligned, ranks)
        total, differing = total + found.ranks, differing + found.differing
        sentences += [found.sentence] if found.sentence else []
    return RanksCompared(total, differing, " ".join(sentences))


def _parts(stored: StoredTrial, kept: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, EvaluationConfig]]:
    """Yield ranks in parts with one number of draws, first without and then under interventions.

    Where noise replaces latents, a part has one depth, see :meth:`StoredTrial.ranked_by_depth`. Each part
    comes with the evaluation that ranks it again.
    """
    latents = stored.record.config.evaluation.latents
    unchanged = pl.col("intervention") == UNCHANGED
    by_depth = kept.filter(unchanged).with_columns(draws=pl.col("draw").max().over("depth") + 1)
    for (draws, *_), part in by_depth.group_by("draws", *(["depth"] if latents == "noise" else [])):
        yield part, EvaluationConfig(depths=tuple(part["depth"].unique()), draws=draws, latents=latents)
    by_kind = kept.filter(~unchanged).with_columns(draws=pl.col("draw").max().over("intervention") + 1)
    for (draws,), part in by_kind.group_by("draws"):
        named = tuple(kind for kind in INTERVENTIONS if kind in set(part["intervention"]))
        yield part, EvaluationConfig(draws=draws, latents=latents, interventions=named)


def _compared(
    stored: StoredTrial, evaluation: EvaluationConfig, kept: pl.DataFrame, ranks: pl.DataFrame
) -> RanksCompared:
    """Compare stored ranks with new ones of the same rows."""
    count = _differing(kept, ranks)
    if not count:
        return RanksCompared(ranks.height, 0, "")
    return RanksCompared(ranks.height, count, _difference(stored, evaluation, kept, ranks, count))


def _differing(kept: pl.DataFrame, ranks: pl.DataFrame) -> int:
    known = [name for name in kept.columns if name in ranks.columns and not kept[name].null_count()]
    return int((~kept.select(known).hash_rows().eq(ranks.select(known).hash_rows())).sum())


def _difference(
    stored: StoredTrial, evaluation: EvaluationConfig, kept: pl.DataFrame, ranks: pl.DataFrame, count: int
) -> str:
    """Say how many ranks differ, how far, and whether rounding can explain it."""
    furthest = max(_largest((kept[name] - ranks[name]).abs()) for name in ("rank", "rank_masked"))
    said = f"{count:,} of {ranks.height:,} ranks differ from those stored, the furthest by {furthest:,g}."
    unchanged = kept.filter(intervention=UNCHANGED).height
    values = kept["rank"].to_numpy(), ranks["rank"].to_numpy()
    gaps = _gaps(stored, evaluation, *values) if unchanged else np.empty(0)
    if not len(gaps):
        return f"{said} They differ only in their ties, without seen items, or under an intervention."
    largest = float(gaps.max())
    beyond = int((gaps > ROUNDING).sum())
    if not beyond:
        return f"{said} This is rounding: the scores differ by at most {largest:.1g} of the largest one."
    return (
        f"{said} This is not rounding: for {beyond:,} of {len(gaps):,} ranks, the scores would have to "
        f"differ by up to {largest:.2g} of the largest one."
    )


def _gaps(stored: StoredTrial, evaluation: EvaluationConfig, kept: Floats, ranks: Floats) -> Floats:
    """Return the score gaps of ranks that differ, (ranks,), of ``_MOST_MEASURED`` ranks at most.

    A gap is a share of the largest score, see :func:`score_gaps`. Ranks under an intervention are left out.
    They come after all others in ``kept`` and ``ranks``.
    """
    seed, measured = stored.record.seed, []
    wanted = np.where(kept == ranks, np.nan, kept)
    differing = np.flatnonzero(~np.isnan(wanted))
    wanted[differing[_MOST_MEASURED:]] = np.nan
    start = 0
    with steps_taking(evaluation.latents, stored.model):
        for name, view in (("valid", stored.split.valid), ("test", stored.split.test)):
            for draw in range(evaluation.draws):
                stop = start + len(evaluation.depths) * len(view)
                part = wanted[start:stop].reshape(len(evaluation.depths), len(view))
                start = stop
                if not np.isnan(part).all():
                    noise = noise_seed(seed, name, draw)
                    gaps = score_gaps(stored.model, view, evaluation.depths, noise, stored.device, part)
                    measured.append(gaps[~np.isnan(gaps)])
    return np.concatenate(measured) if measured else np.empty(0)


def _largest(values: pl.Series) -> float:
    return float(values.to_numpy().max())


def _other_rows(kept: pl.DataFrame, ranks: pl.DataFrame, file: Path) -> str:
    """Say how the rows of a file differ from those that the ranking gives."""
    if kept.height != ranks.height:
        return f"{file} has {kept.height:,} ranks, and {ranks.height:,} were expected."
    same = np.ones(kept.height, dtype=bool)
    for name in _KEYS:
        same &= kept[name].eq_missing(ranks[name]).to_numpy()
    return f"{int((~same).sum()):,} of {kept.height:,} rows of {file} are of other users, items or depths."
