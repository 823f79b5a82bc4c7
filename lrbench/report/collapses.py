"""Runs far below the others of their label, in the test split or on validation."""

from collections.abc import Iterator, Sequence

import numpy as np

from lrbench.arrays import Floats
from lrbench.report.label_metrics import Measured
from lrbench.report.numbers import metric_title
from lrbench.report.warnings import ReportWarning, WarningKind
from lrbench.stats.runs import collapsed_runs

__all__ = ["collapses"]


def collapses(measured: Sequence[Measured], metric: str) -> Iterator[ReportWarning]:
    """Warn of each run that collapsed.

    Runs that learned differ less on validation, where the best epoch is kept, than in the test split. So
    several runs that learned nothing stand out there.
    """
    for entry in measured:
        selection = metric_title(entry.trials[0].record.protocol.selection_metric)
        low = {
            **_low(_own_bests(entry), f"has at most {selection} {{:.4f}} on validation"),
            **_low(entry.metrics[metric].seed_means, f"has {metric_title(metric)} {{:.4f}}"),
        }
        for run, fault in sorted(low.items()):
            cause = f"{entry.label} on {entry.dataset}: the run of seed {entry.seeds[run]} {fault}"
            yield ReportWarning(WarningKind.COLLAPSED_RUN, cause, label=entry.label, dataset=entry.dataset)


def _own_bests(entry: Measured) -> Floats:
    """Best validation metric of each run, (runs,); empty for noise-only rows, which train nothing."""
    own = entry.trials[0].record.config.evaluation.latents == "own"
    return entry.validation_bests if own else np.zeros(0)


def _low(values: Floats, said: str) -> dict[int, str]:
    return {
        run: f"{said.format(values[run])}, far below the median of its label, {np.median(values):.4f}."
        for run in collapsed_runs(values)
    }
