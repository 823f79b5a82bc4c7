"""Checkpoints: everything a stage needs to go on as if nothing had happened.

One file per trial under way, replaced atomically after every epoch. It holds tensors and plain
values only, so that it loads with ``weights_only=True``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from lrbench.errors import LrbenchError

__all__ = [
    "Checkpoint",
    "StageProgress",
    "fitting",
    "load_checkpoint",
    "random_state",
    "restore_random_state",
]

Weights = dict[str, Tensor]


@dataclass
class StageProgress:
    """How far a stage has come, and its best so far."""

    epoch: int = 0  # epochs done
    steps: int = 0
    seconds: float = 0.0
    best_epoch: int | None = None
    best_metric: float | None = None
    validations_without_gain: int = 0
    stopped: str | None = None  # why the stage is over, once it is
    losses: dict[str, float] = field(default_factory=dict)  # terms of the last step, all finite


@dataclass
class Checkpoint:
    """A trial after some epoch of some stage."""

    stage: int  # number of the stage under way
    progress: StageProgress
    weights: Weights
    begin_weights: Weights  # those the stage began with, for what it derives from them
    best_weights: Weights
    optimiser: dict[str, Any]
    random: dict[str, Any]
    finished_stages: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    resumed: int = 0
    threads: int = 1

    def save(self, path: Path) -> None:
        """Replace the file at ``path`` in one step."""
        temporary = path.with_suffix(".part")
        torch.save(asdict(self), temporary)
        temporary.replace(path)


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Read a checkpoint, or none where there is none.

    Raises:
        LrbenchError: it has another form than this version gives it.
    """
    if not path.exists():
        return None
    with fitting(path):
        values = torch.load(path, map_location="cpu", weights_only=True)
        values["progress"] = StageProgress(**values["progress"])
        return Checkpoint(**values)


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Within, what goes wrong means that the checkpoint at ``path`` is not whole, or not of this version."""
    try:
        yield
    except (EOFError, KeyError, RuntimeError, TypeError, UnpicklingError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise LrbenchError(
            f"The checkpoint {path} does not fit: {reason[:200]}",
            "It is damaged, or another version wrote it: use that one, or remove the file to train anew.",
        ) from error


def random_state() -> dict[str, Any]:
    """The state of torch's default generators."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


def restore_random_state(state: dict[str, Any]) -> None:
    """Put torch's default generators back where they were."""
    torch.set_rng_state(state["cpu"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
