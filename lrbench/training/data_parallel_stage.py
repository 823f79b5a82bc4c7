"""A stage whose batches several processes share, by torch's distributed data parallel.

Each process differentiates the loss of its part of a batch. Torch averages the gradients over the processes
while they are computed (Li et al. 2020, arXiv 2006.15704). Parts have different numbers of targets, so each
loss is first weighted by its share. The result is the gradient of the whole batch. Only the order of
additions and the draws of dropout differ.
"""

import numpy as np
import torch
from torch import nn

from lrbench.data.batches import TrainingBatch
from lrbench.models.base import GradientStage, Terms
from lrbench.team import Team

__all__ = ["DataParallelStage"]


class DataParallelStage(GradientStage):
    """The part that this process takes in the steps of a stage.

    Args:
        stage: a stage that can be shared; its ``begin`` was called.
        team: the processes, and the number of this one.
    """

    def __init__(self, stage: GradientStage, team: Team) -> None:
        super().__init__(stage.model)
        self._stage, self._team = stage, team
        self._parallel = nn.parallel.DistributedDataParallel(_LossModule(stage), find_unused_parameters=True)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return terms that are means over the whole batch. The gradient of ``loss`` is that of this part."""
        own = 0 if batch.stands_in else self._stage.weight(batch)
        share = own / int(self._team.summed(np.array([own], dtype=np.int64))[0])
        terms: Terms = self._parallel(batch)
        means = torch.stack([term.detach() for term in terms.values()]) * share
        torch.distributed.all_reduce(means)
        whole = dict(zip(terms, means, strict=True))
        part = terms["loss"] * (share * self._team.count)  # gradients are averaged, not added up
        return whole | {"loss": whole["loss"] + (part - part.detach())}


class _LossModule(nn.Module):
    """A stage in the form that torch's data parallel takes."""

    def __init__(self, stage: GradientStage) -> None:
        super().__init__()
        self.model = stage.model
        self._stage = stage

    def forward(self, batch: TrainingBatch) -> Terms:
        return self._stage.losses(batch)
