"""Could a perfect choice of depth gain anything? Oracles beside those of noise, or split over draws."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lrbench.arrays import Floats
from lrbench.report.label_metrics import Measured
from lrbench.report.step_findings import OracleFinding
from lrbench.stats.oracle import oracle, split_oracle
from lrbench.store.alignment import aligned_ranks
from lrbench.store.suites import SuiteRecord

__all__ = ["find_oracles"]


def find_oracles(measured: Sequence[Measured], suite: SuiteRecord, masked: bool) -> Iterator[OracleFinding]:
    """Yield the oracle of every row with several depths that can be compared with something.

    That is a noise-only control with the same depths, or a second draw. Other rows are left out: the best of
    several ranks rewards variance, so an oracle by itself could favour the worse model.
    """
    by_name = {(entry.dataset, entry.label): entry for entry in measured}
    noise = {record.of: label for label, record in suite.controls.items() if record.control == "noise-only"}
    for entry in measured:
        if entry.label in suite.controls or entry.depth == 0:
            continue
        own = _by_depth(entry, suite.primary_metric, masked)
        control = by_name.get((entry.dataset, noise.get(entry.label, "")))
        noisy = {} if control is None else _by_depth(control, suite.primary_metric, masked)
        shared = [depth for depth in own if depth in noisy]
        beside = len(shared) > 1
        depths = shared if beside else list(own)
        draws = min(_draws(values, depths) for values in ([own, noisy] if beside else [own]))
        if len(depths) < 2 or not (beside or draws > 1):
            continue
        values = _stacked(own, depths, draws)
        yield OracleFinding(
            dataset=entry.dataset,
            label=entry.label,
            depths=tuple(depths),
            mean=entry.metrics[suite.primary_metric].mean,
            oracle=oracle(values),
            noise_oracle=oracle(_stacked(noisy, depths, draws)) if beside else None,
            draws=draws,
            split_oracle=split_oracle(values) if draws > 1 else None,
        )


ByDepth = Mapping[int, Sequence[Floats]]
"""Depth at which all runs were ranked → the metric in each run, (targets, draws)."""


def _by_depth(entry: Measured, metric: str, masked: bool) -> ByDepth:
    ranks = aligned_ranks(entry.trials, masked, every_depth=True)
    return {
        depth: [ranks.by_draw(trial, depth, metric) for trial in entry.ids]
        for depth in ranks.depths(entry.ids)
    }


def _draws(values: ByDepth, depths: Sequence[int]) -> int:
    """Return how many draws all runs have at all of the depths.

    Depths that were ranked after the runs may have other numbers of draws. A mean over fewer draws varies
    more, so the best of several is larger. Oracles are therefore compared over equal numbers of draws.
    """
    return int(min(part.shape[1] for depth in depths for part in values[depth]))


def _stacked(values: ByDepth, depths: Sequence[int], draws: int) -> Floats:
    """Return the metric by the first draws, (depths, runs, targets, draws)."""
    return np.stack([np.stack([part[:, :draws] for part in values[depth]]) for depth in depths])
