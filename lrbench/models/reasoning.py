"""What models with latent reasoning steps share: their depth, and the controls that isolate reasoning.

A control is a row derived from a reasoning model with reasoning removed in one particular way. Each model
says by a recipe how it becomes its controls. Suites derive rows from that (``controls = [...]``).
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from lrbench.models.base import ConfigT, Model

__all__ = ["ReasoningModel", "Recipe", "Replacement", "Sizes"]


@dataclass(frozen=True)
class Replacement:
    """What every reasoning step gets instead of the previous state, at inference."""

    kind: Literal["zero", "noise", "other"]
    """``zero``: zeros. ``noise``: noise with the root mean square of the state. ``other``: the state of
    another history."""

    donors: Tensor | None = None  # (sequences,) for ``other``: whose state each history gets

    source: torch.Generator | None = None
    """Source for ``noise``. With one of its own the model's own noise is the same as without a replacement.
    ``None``: the source of the model's own noise."""


@dataclass(frozen=True)
class Sizes:
    """Names of the options of a model that set its number of parameters and of operations."""

    layers: str = "layers"
    """The option for the number of blocks. Parameters and operations grow linearly with it."""

    inner: str = "inner_width"
    """The option for a width. It reaches numbers of parameters and operations between those of two numbers of
    blocks."""

    multiple: int = 1
    """The width must be a multiple of this."""


@dataclass(frozen=True)
class Recipe:
    """How a row becomes a control: its options, and its model and stages if they change."""

    params: Mapping[str, Any] = field(default_factory=dict)
    """Options of the control. Others have the model's defaults."""

    stages: tuple[str, ...] | None = None
    """Stages that the control keeps. If the row trains none of them, the first one here is trained. ``None``:
    keep all."""

    model: str | None = None
    """Registered name of another model, which is trained in its own stages; ``None``: the row's model."""

    sizes: Sizes = Sizes()
    """The options that are varied to match a number of parameters or operations."""


class ReasoningModel(Model[ConfigT]):
    """A model that refines a latent state in steps, whose number can be chosen at inference."""

    reasons: ClassVar[bool] = True

    replacement: Replacement | None = None
    """What every step gets instead of the previous state: a control or an intervention at inference."""

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

    @property
    def draws_noise(self) -> bool:
        """Whether inference draws noise, or noise replaces the states that steps get."""
        replaced = self.replacement is not None and self.replacement.kind == "noise"
        return replaced or super().draws_noise

    def carried(
        self,
        state: Tensor,
        noise: torch.Generator | None,
        dim: int = 0,
        donors: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """What a step gets from the previous one: the state, or what ``replacement`` says.

        Each step of :meth:`encode` calls it once. A first step that does not start from a state, but from
        noise, does not call it.

        Args:
            state: (…, width).
            noise: source of the noise, unless the replacement has one; ``None``: torch's default source.
            dim: the dimension of ``state`` that holds the histories.
            donors: needed if that dimension holds something else, such as tokens. It takes the donor of each
                history, (sequences,), and returns the donor of each entry along ``dim``.

        Returns:
            Shaped as ``state``.

        Raises:
            ValueError: ``dim`` does not hold the histories, and there are no ``donors``.
        """
        if self.replacement is None:
            return state
        match self.replacement.kind:
            case "zero":
                return torch.zeros_like(state)
            case "noise":
                source = self.replacement.source or noise
                device = state.device if source is None else source.device
                drawn = torch.randn(state.shape, generator=source, dtype=state.dtype, device=device)
                return drawn.to(state.device) * state.square().mean(-1, keepdim=True).sqrt()
            case "other":
                assert self.replacement.donors is not None
                chosen = self.replacement.donors
                if donors is None and state.shape[dim] != len(chosen):
                    raise ValueError(
                        f"carried() got {state.shape[dim]} states in dimension {dim} for {len(chosen)} "
                        "histories; give the dimension of histories as dim, or the donor of each state as "
                        "donors"
                    )
                return state.index_select(dim, chosen if donors is None else donors(chosen))
