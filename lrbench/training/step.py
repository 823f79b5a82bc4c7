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
    """Takes the steps of one stage."""

    stage: GradientStage
    optimiser: Optimiser
    training: TrainingConfig
    device: torch.device  # where the model is

    @property
    def model(self) -> Model:
        """The model that is trained."""
        model: Model = self.stage.model
        return model

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return the loss terms of a batch, with their autograd graph."""
        with self._network_products(), self.model.one_step():
            return self.stage.losses(batch)

    def follow(self, terms: Terms) -> None:
        """Compute the gradients of ``loss``, clip them if the settings say so, and update the parameters."""
        self.optimiser.zero_grad()
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        if self.training.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.training.gradient_clip)
        self.optimiser.update()

    def _network_products(self) -> torch.autocast:
        """Return the autocast of the network's own products.

        With ``precision = "bfloat16"`` an accelerator computes scores and network in bfloat16, and a CPU the
        scores alone. Recorded steps do not cache converted weights, which would be those of an earlier step.
        """
        lower, kind = self.model.score_dtype, self.device.type
        cached = not self.training.graph
        return torch.autocast(kind, lower, lower is not None and kind != "cpu", cache_enabled=cached)
