"""Is the latent state used? What rows lose when it is replaced, with the same weights and histories."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from lrbench.arrays import Floats
from lrbench.config.interventions import INTERVENTIONS, Intervention
from lrbench.report.findings import ALPHA
from lrbench.report.label_metrics import Measured, user_metrics
from lrbench.report.step_findings import InterventionFinding, InterventionLoss, Reading
from lrbench.stats.contrast import Contrast
from lrbench.stats.crossed import crossed
from lrbench.stats.equivalence import equivalence
from lrbench.store.alignment import AlignedRanks, aligned_ranks

__all__ = ["find_interventions", "reading"]


def find_interventions(
    measured: Sequence[Measured], controls: Collection[str], metric: str, masked: bool, margin: float
) -> Iterator[InterventionFinding]:
    """Yield the findings for every row all of whose runs were ranked with an intervention.

    ``margin`` is the largest loss that does not matter, as a share of the row's mean.

    Controls are left out. A control that takes one step from zeros has no latent state to replace, and what
    another control loses says nothing of its model.
    """
    for entry in measured:
        if entry.label in controls:
            continue
        ranked = [set(trial.divergence) for trial in entry.trials]
        kinds = [kind for kind in INTERVENTIONS if all(kind in of_run for of_run in ranked)]
        if not kinds:
            continue
        own = aligned_ranks(entry.trials, masked)
        losses = {kind: _loss(entry, own, kind, metric, masked) for kind in kinds}
        mean = entry.metrics[metric].mean
        yield InterventionFinding(
            dataset=entry.dataset,
            label=entry.label,
            mean=mean,
            losses=tuple(losses.values()),
            reading=reading(losses, margin * abs(mean)),
        )


def _loss(
    entry: Measured, own: AlignedRanks, kind: Intervention, metric: str, masked: bool
) -> InterventionLoss:
    other = aligned_ranks(entry.trials, masked, intervention=kind, order=own.targets)
    keys = [(trial, entry.depth) for trial in entry.ids]
    with_own, with_other = (
        user_metrics(ranks, entry.ids, entry.depth, metric, entry.deterministic) for ranks in (own, other)
    )
    changes = np.concatenate([_changes(own.stored[key].ranks, other.stored[key].ranks) for key in keys])
    return InterventionLoss(
        kind=kind,
        contrast=crossed(with_own, with_other, paired=True),
        divergence=float(np.mean([trial.divergence[kind] for trial in entry.trials])),
        rank_change=float(np.median(changes)),
    )


def _changes(own: Floats, other: Floats) -> Floats:
    """Return the changes of ranks over the draws that both have, flat, from (targets, draws) each."""
    draws = min(own.shape[1], other.shape[1])
    changes: Floats = (other[:, :draws] - own[:, :draws]).ravel()
    return changes


def reading(losses: Mapping[Intervention, InterventionLoss], margin: float) -> Reading:
    """Say what the losses mean.

    A loss counts if the crossed test shows it at 5 %, without a correction. Another latent is equivalent if
    the 90 % interval of its loss lies within ± ``margin``, which has the unit of the metric.

    - The latent of a similar user costs something: the latent is specific to the user.
    - Others cost something, and that of a similar user is equivalent: the latent is a generic bias.
    - All are equivalent: the latent is bypassed.

    Where no intervention changes a score, no state was replaced: the only step starts from noise.
    """
    if all(loss.divergence == 0 for loss in losses.values()):
        return Reading.NOTHING_REPLACED
    contrasts = {kind: loss.contrast for kind, loss in losses.items()}
    if not all(contrast.testable or contrast.difference == 0 for contrast in contrasts.values()):
        return Reading.NOT_TESTABLE
    lost = {kind for kind, contrast in contrasts.items() if contrast.difference > 0 and contrast.p <= ALPHA}
    equivalent = {kind for kind, contrast in contrasts.items() if _equivalent(contrast, margin)}
    if "matched" in lost:
        return Reading.USER_SPECIFIC
    if not lost:
        return Reading.BYPASSED if equivalent == set(contrasts) else Reading.NOT_SHOWN
    if "matched" not in contrasts:
        return Reading.UNMATCHED
    return Reading.GENERIC if "matched" in equivalent else Reading.USED


def _equivalent(contrast: Contrast, margin: float) -> bool:
    """Whether the difference is shown to be within the margin; one that is 0 for all users and runs is."""
    return equivalence(contrast, margin).equivalent or (contrast.constant and contrast.difference == 0)
