"""Write the weights of a finished trial to a file, and load all of them into a model, or none."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lrbench.errors import CheckError
from lrbench.files import open_plain
from lrbench.models.base import Model
from lrbench.store.layout import WEIGHTS_FILE

__all__ = ["load_weights", "put_weights", "read_weights", "save_weights"]


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights of ``model``."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, path)


def load_weights(folder: Path, model: nn.Module) -> None:
    """Load the weights of the trial in ``folder`` into ``model``.

    Raises:
        CheckError: they cannot be read, or their names or shapes differ. The model is then unchanged.
    """
    put_weights(read_weights(folder), model, folder.name)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read the weights of the trial in ``folder``.

    Raises:
        CheckError: they cannot be read.
    """
    try:
        open_plain(folder / WEIGHTS_FILE).close()  # safetensors waits for a pipe
        return load_file(folder / WEIGHTS_FILE)
    except FileNotFoundError as error:
        raise CheckError(
            f"{folder / WEIGHTS_FILE} is missing.",
            "If the trial was imported, import an archive that was exported with --weights. "
            "If not, move the folder away and run the trial again.",
        ) from error
    except (OSError, SafetensorError) as error:
        raise CheckError(
            f"{folder / WEIGHTS_FILE} cannot be read: {error}.",
            "Move the folder away and run the trial again.",
        ) from error


def put_weights(weights: dict[str, Tensor], model: nn.Module, trial: str) -> None:
    """Give ``model`` the weights of a trial. Those of parts that earlier versions kept unused are dropped.

    Raises:
        CheckError: their names or shapes differ. The model is then unchanged.
    """
    sized_by_data, left_out = frozenset[str](), frozenset[str]()
    if isinstance(model, Model):
        sized_by_data, left_out = model.sized_by_data, model.left_out
    weights = {name: weight for name, weight in weights.items() if name not in left_out}
    if _shapes(weights, sized_by_data) != _shapes(model.state_dict(), sized_by_data):
        raise CheckError(
            f"The weights of {trial} do not fit the model of this version of lrbench.",
            "Use the version that trained the trial; its trial.json names it.",
        )
    model.load_state_dict(weights)


def _shapes(weights: dict[str, Tensor], any_size: frozenset[str]) -> dict[str, torch.Size | None]:
    """Return the shape of each weight; ``None`` for weights whose shape depends on the training data."""
    return {name: None if name in any_size else weight.shape for name, weight in weights.items()}
