"""Weights of finished trials, given to a model or refused whole."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lrbench.errors import CheckError

__all__ = ["WEIGHTS", "load_weights"]

WEIGHTS = "weights.safetensors"


def load_weights(folder: Path, model: nn.Module) -> None:
    """Give ``model`` the weights of the trial in ``folder``.

    Raises:
        CheckError: they cannot be read, or their names or shapes are others; the model is left as it was.
    """
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise CheckError(
            f"{folder / WEIGHTS} is missing or damaged: {error}.",
            "Move the folder away and run the trial again.",
        ) from error
    if _shapes(weights) != _shapes(model.state_dict()):
        raise CheckError(
            f"The weights of {folder.name} do not fit the model as this version has it.",
            "Use the version that trained it, which its trial.json names.",
        )
    model.load_state_dict(weights)


def _shapes(weights: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in weights.items()}
