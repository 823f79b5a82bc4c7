"""What the steps of a reasoning model take from the step before while it is evaluated."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from lrbench.models.base import Model
from lrbench.models.reasoning import ReasoningModel, Replacement

__all__ = ["replacing", "steps_taking"]


def steps_taking(latents: Literal["own", "noise"], model: Model) -> AbstractContextManager[None]:
    """Let each reasoning step take the model's own state, or noise of its size, within a block."""
    return replacing(model, Replacement("noise") if latents == "noise" else None)


@contextmanager
def replacing(model: Model, replacement: Replacement | None) -> Iterator[None]:
    """Let each reasoning step take what the replacement says, within a block."""
    if not isinstance(model, ReasoningModel):
        yield
        return
    before, model.replacement = model.replacement, replacement
    try:
        yield
    finally:
        model.replacement = before
