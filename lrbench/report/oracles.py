"""Could a perfect choice of depth gain anything? Oracles beside those of noise, or split over draws."""

from collections.abc import Iterator, Sequence

import numpy as np

from lrbench.arrays import Floats
from lrbench.report.label_metrics import Measured
from lrbench.report.step_findings import OracleFinding
from lrbench.stats.oracle import oracle, split_oracle
from lrbench.store.frames import aligned_ranks
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
        depths, values = _by_depth(entry, suite.primary_metric, masked)
        control = by_name.get((entry.dataset, noise.get(entry.label, "")))
        of_noise = None
        if control is not None:
            others, noisy = _by_depth(control, suite.primary_metric, masked)
            shared = [depth for depth in depths if depth in others]
            if len(shared) > 1:
                values = values[[depths.index(depth) for depth in shared]]
                depths, of_noise = shared, oracle(noisy[[others.index(depth) for depth in shared]])
        draws = values.shape[3]
        if len(depths) < 2 or (of_noise is None and draws < 2):
            continue
        yield OracleFinding(
            dataset=entry.dataset,
            label=entry.label,
            depths=tuple(depths),
            mean=entry.metrics[suite.primary_metric].mean,
            oracle=oracle(values),
            noise_oracle=of_noise,
            draws=draws,
            split_oracle=split_oracle(values) if draws > 1 else None,
        )


def _by_depth(entry: Measured, metric: str, masked: bool) -> tuple[list[int], Floats]:
    """Return the depths at which all runs were ranked, and the metric, (depths, runs, targets, draws).

    Depths that were ranked after the runs may have other numbers of draws. The draws that all have are used.
    """
    ranks = aligned_ranks(entry.trials, masked, every_depth=True)
    depths = ranks.depths(entry.ids)
    values = [[ranks.by_draw(trial, depth, metric) for trial in entry.ids] for depth in depths]
    draws = min(part.shape[1] for of_depth in values for part in of_depth)
    return depths, np.stack([np.stack([part[:, :draws] for part in of_depth]) for of_depth in values])
