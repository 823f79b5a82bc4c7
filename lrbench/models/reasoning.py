"""What models with latent reasoning steps share: their depth, and the controls that isolate it.

A control is the same recipe with reasoning taken out in one particular way. Each model says what its
recipe becomes; suites derive the trials from that (``controls = [...]``).
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from lrbench.models.base import Model

__all__ = ["ReasoningModel", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """A model with options and stages, as a suite would write them."""

    model: str
    """Registered name."""

    params: Mapping[str, Any] = field(default_factory=dict)
    """Options; the others keep the model's defaults."""

    stages: tuple[str, ...] | None = None
    """Stages; none: the model's own."""


class ReasoningModel(Model):
    """A model that refines a latent state in steps whose number can be chosen at inference."""

    reasons: ClassVar[bool] = True

    noise_only: bool = False
    """Whether every step takes over noise instead of the state before it: a control at inference."""

    @classmethod
    @abstractmethod
    def configured_depth(cls, config: Any) -> int:
        """The depth that reports use."""

    @classmethod
    @abstractmethod
    def without_reasoning(cls, config: Any) -> Recipe:
        """The same recipe at depth 0: the encoder alone, with everything else as it is."""

    @classmethod
    @abstractmethod
    def without_recurrence(cls, config: Any) -> Recipe:
        """A network of the same kind of blocks, each run once, trained with the plain loss.

        Its ``layers`` and ``inner_width`` are then varied until parameters, or floating-point
        operations per user, match; so it needs options of these names.
        """

    @classmethod
    @abstractmethod
    def same_losses(cls, config: Any) -> Recipe:
        """The same auxiliary losses on a network that does not reason."""

    def carried(self, state: Tensor, noise: torch.Generator | None) -> Tensor:
        """What a step takes over from the one before: the state, or noise of its size where so asked.

        Args:
            state: (…, width).
            noise: source of the noise; none: torch's default source.
        """
        if not self.noise_only:
            return state
        place = state.device if noise is None else noise.device
        drawn = torch.randn(state.shape, generator=noise, dtype=state.dtype, device=place)
        return drawn.to(state.device) * state.square().mean(-1, keepdim=True).sqrt()
