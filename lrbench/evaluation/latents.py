"""Which latent each step of a reasoning model starts from while the model is evaluated."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from lrbench.models.base import Model
from lrbench.models.reasoning import ReasoningModel, Replacement

__all__ = ["replacing", "steps_taking"]


def steps_taking(latents: Literal["own", "noise"], model: Model) -> AbstractContextManager[None]:
    """Within a ``with`` block, let each reasoning step start from the model's own state, or from noise.

    The noise has the norm of the state that it replaces. A model without reasoning is left as it is.
    """
    return replacing(model, Replacement("noise") if latents == "noise" else None)


@contextmanager
def replacing(model: Model, replacement: Replacement | None) -> Iterator[None]:
    """Within a ``with`` block, let each reasoning step start from the replacement. ``None``: its own state.

    A model without reasoning is left as it is.
    """
    if not isinstance(model, ReasoningModel):
        yield
        return
    before, model.replacement = model.replacement, replacement
    try:
        yield
    finally:
        model.replacement = before
