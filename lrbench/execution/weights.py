"""Weights of finished trials, given to a model or refused whole."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lrbench.errors import CheckError

__all__ = ["WEIGHTS", "load_weights"]

WEIGHTS = "weights.safetensors"


def load_weights(folder: Path, model: nn.Module) -> None:
    """Give ``model`` the weights of the trial in ``folder``.

    Raises:
        CheckError: their names or shapes are others; the model is left as it was.
    """
    weights = load_file(folder / WEIGHTS)
    if _shapes(weights) != _shapes(model.state_dict()):
        raise CheckError(
            f"The weights of {folder.name} do not fit the model as this version has it.",
            "Use the version that trained it, which its trial.json names.",
        )
    model.load_state_dict(weights)


def _shapes(weights: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in weights.items()}
