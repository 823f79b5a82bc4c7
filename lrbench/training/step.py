"""One gradient step: the losses of a batch, their gradients, and the optimiser."""

from dataclasses import dataclass

import torch

from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingBatch
from lrbench.models.base import GradientStage, Model, Terms
from lrbench.training.optimiser import Optimiser

__all__ = ["GradientStep"]


@dataclass(frozen=True)
class GradientStep:
    """Takes steps of one stage."""

    stage: GradientStage
    optimiser: Optimiser
    training: TrainingConfig
    device: torch.device

    @property
    def model(self) -> Model:
        """The model that is trained."""
        model: Model = self.stage.model
        return model

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the loss terms of a batch, with their graph."""
        with self._network_products(), self.model.one_step():
            return self.stage.losses(batch)

    def follow(self, terms: Terms) -> None:
        """Compute the gradients of ``loss`` and change the parameters."""
        self.optimiser.zero_grad()
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        if self.training.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.training.gradient_clip)
        self.optimiser.update()

    def _network_products(self) -> torch.autocast:
        """Autocast of the network's own products. On an accelerator they are coarse too; on a CPU only scores
        are.

        A recorded step casts weights each time, since a cast that is kept would be that of an earlier step.
        """
        coarse, kind = self.model.score_dtype, self.device.type
        kept = not self.training.graph
        return torch.autocast(kind, coarse, coarse is not None and kind != "cpu", cache_enabled=kept)
