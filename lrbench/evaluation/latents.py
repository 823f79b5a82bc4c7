"""What the steps of a reasoning model take from the step before while it is evaluated."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from lrbench.models.base import Model
from lrbench.models.reasoning import ReasoningModel

__all__ = ["steps_taking"]


@contextmanager
def steps_taking(latents: Literal["own", "noise"], model: Model) -> Iterator[None]:
    """Let each reasoning step take the model's own state, or noise of its size, within a block."""
    if not isinstance(model, ReasoningModel):
        yield
        return
    before, model.noise_only = model.noise_only, latents == "noise"
    try:
        yield
    finally:
        model.noise_only = before
