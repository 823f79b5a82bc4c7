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

from lrbench.models.base import ConfigT, Model

__all__ = ["ReasoningModel", "Recipe", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """Options of a model by which its parameters and its operations can be set."""

    layers: str = "layers"
    """The number of blocks: both grow linearly with it."""

    inner: str = "inner_width"
    """A width, for what lies between two numbers of blocks: both grow with it."""

    multiple: int = 1
    """The width is a multiple of this."""


@dataclass(frozen=True)
class Recipe:
    """What a row becomes: options, and where they differ from the row's, model and stages."""

    params: Mapping[str, Any] = field(default_factory=dict)
    """Options; the others keep the model's defaults."""

    stages: tuple[str, ...] | None = None
    """Which of the row's stages are left, or if it trains none of these, what is trained; none: all are."""

    model: str | None = None
    """Registered name of another model, which is trained in its own stages; none: the row's model."""

    sizes: Sizes = Sizes()
    """What may be varied to match a quantity."""


class ReasoningModel(Model[ConfigT]):
    """A model that refines a latent state in steps whose number can be chosen at inference."""

    reasons: ClassVar[bool] = True

    noise_only: bool = False
    """Whether every step takes over noise instead of the state before it: a control at inference."""

    @classmethod
    @abstractmethod
    def configured_depth(cls, config: ConfigT) -> int:
        """The depth that reports use."""

    @classmethod
    @abstractmethod
    def without_reasoning(cls, config: ConfigT) -> Recipe:
        """The same recipe at depth 0: the encoder alone, with everything else as it is.

        Its weights have the names that they have here.
        """

    @classmethod
    @abstractmethod
    def without_recurrence(cls, config: ConfigT) -> Recipe:
        """A network of the same kind of blocks, each run once, trained with the plain loss.

        The recipe's ``sizes`` are then varied until parameters, or floating-point operations per user,
        match.
        """

    @classmethod
    @abstractmethod
    def same_losses(cls, config: ConfigT) -> Recipe:
        """The same auxiliary losses on a network that does not reason."""

    def carried(self, state: Tensor, noise: torch.Generator | None) -> Tensor:
        """What a step takes over from the one before: the state, or noise of its size where so asked.

        Each step of :meth:`encode` calls it once; a first one that starts from something else does not.

        Args:
            state: (…, width).
            noise: source of the noise; none: torch's default source.
        """
        if not self.noise_only:
            return state
        place = state.device if noise is None else noise.device
        drawn = torch.randn(state.shape, generator=noise, dtype=state.dtype, device=place)
        return drawn.to(state.device) * state.square().mean(-1, keepdim=True).sqrt()
