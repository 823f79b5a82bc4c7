"""What models with latent reasoning steps share: their depth, and the controls that isolate reasoning.

A control is the same recipe with reasoning removed in one particular way. Each model says what its recipe
becomes. Suites derive trials from that (``controls = [...]``).
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
    """Options of a model that set its number of parameters and of operations."""

    layers: str = "layers"
    """The number of blocks. Parameters and operations grow linearly with it."""

    inner: str = "inner_width"
    """A width, for values between two numbers of blocks. Parameters and operations grow with it."""

    multiple: int = 1
    """The width must be a multiple of this."""


@dataclass(frozen=True)
class Recipe:
    """What a row becomes: its options, and its model and stages if they change."""

    params: Mapping[str, Any] = field(default_factory=dict)
    """Options. Those not named keep the model's defaults."""

    stages: tuple[str, ...] | None = None
    """Stages that the control keeps. If the row trains none of them, the first one here is trained. ``None``:
    keep all."""

    model: str | None = None
    """Registered name of another model, which is trained in its own stages; ``None``: the row's model."""

    sizes: Sizes = Sizes()
    """What may be varied to match a quantity."""


class ReasoningModel(Model[ConfigT]):
    """A model that refines a latent state in steps, whose number can be chosen at inference."""

    reasons: ClassVar[bool] = True

    noise_only: bool = False
    """Whether every step starts from noise instead of the previous state: a control at inference."""

    @classmethod
    @abstractmethod
    def configured_depth(cls, config: ConfigT) -> int:
        """The depth that reports use."""

    @classmethod
    @abstractmethod
    def without_reasoning(cls, config: ConfigT) -> Recipe:
        """The same recipe at depth 0: the encoder alone, with everything else unchanged.

        Its weights have the same names as here.
        """

    @classmethod
    @abstractmethod
    def without_recurrence(cls, config: ConfigT) -> Recipe:
        """A network of the same kind of blocks, each run once, trained with the plain loss.

        The recipe's ``sizes`` are then varied until parameters, or floating-point operations per user, match.
        """

    @classmethod
    @abstractmethod
    def same_losses(cls, config: ConfigT) -> Recipe:
        """The same auxiliary losses on a network that does not reason."""

    def carried(self, state: Tensor, noise: torch.Generator | None) -> Tensor:
        """What a step gets from the previous one: the state, or noise of the state's size if ``noise_only``
        is set.

        Each step of :meth:`encode` calls it once. A first step that starts from something else does not.

        Args:
            state: (…, width).
            noise: source of the noise; ``None``: torch's default source.
        """
        if not self.noise_only:
            return state
        place = state.device if noise is None else noise.device
        drawn = torch.randn(state.shape, generator=noise, dtype=state.dtype, device=place)
        return drawn.to(state.device) * state.square().mean(-1, keepdim=True).sqrt()
