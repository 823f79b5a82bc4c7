"""Checkpoints: everything a stage needs to go on as if it had not been interrupted.

There is one file for each trial that runs. It is replaced atomically after every epoch. It holds tensors and
plain values only, so that it loads with ``weights_only=True``. It carries the trial's id and a digest of its
content. The checkpoint of another trial, or one with a flipped bit, is therefore not used.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from torch import Tensor

from lrbench.errors import LrbenchError

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = [
    "Checkpoint",
    "StageProgress",
    "UnusableCheckpointError",
    "compatible_with",
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
    best_metric: float | None = None  # the selection metric on validation
    validations_without_gain: int = 0
    stopped: str | None = None  # why the stage is over; `None` while it runs
    losses: dict[str, float] = field(default_factory=dict)  # terms of the last step, all finite
    chosen: float | None = None  # the setting that a `ChoiceStage` chose
    tried: dict[float, float] = field(default_factory=dict)  # selection metric of each setting it tried


class UnusableCheckpointError(LrbenchError):
    """A checkpoint is damaged, of another trial, or of another version. The trial has to start again."""


@dataclass
class Checkpoint:
    """The state of a trial after an epoch."""

    trial: str  # the trial's id
    stage: int  # number of the stage that runs, from 0
    progress: StageProgress  # of that stage
    weights: Weights
    begin_weights: Weights  # those with which the stage began
    best_weights: Weights  # those of its best epoch
    optimiser: dict[str, Any]  # see `Optimiser.state_dict`
    random: dict[str, Any]  # see `random_state`
    finished_stages: list[dict[str, Any]] = field(default_factory=list)  # records of the stages before
    history: list[dict[str, Any]] = field(default_factory=list)  # one row per epoch and stage
    resumed: int = 0  # how often the trial was resumed
    threads: int = 1  # CPU threads of the process

    def save(self, path: Path) -> None:
        """Replace the file at ``path`` in one step.

        Raises:
            OSError: it cannot be written. The file that was there stays, and nothing else is left.
        """
        values = {**vars(self), "progress": asdict(self.progress)}  # tensors are not copied
        temporary = path.with_suffix(".part")
        try:
            with temporary.open("wb") as file:
                _write({**values, _DIGEST: _digest(values)}, file)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)  # on a full disk it would keep others from writing
            raise


def _write(values: dict[str, Any], file: BinaryIO) -> None:
    """Write values.

    Raises:
        OSError: the system's error. torch raises a RuntimeError in its place.
    """
    try:
        torch.save(values, file)
    except RuntimeError as error:
        cause = error.__cause__ or error.__context__
        raise cause if isinstance(cause, OSError) else error from None


_DIGEST = "digest"
_UNUSABLE = (
    AttributeError,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    UnpicklingError,
    ValueError,
)


def load_checkpoint(path: Path, trial: str) -> Checkpoint | None:
    """Read the checkpoint of a trial, or return ``None`` if there is none.

    Raises:
        UnusableCheckpointError: it is damaged, of another trial, or of another version.
    """
    if not path.exists():
        return None
    with compatible_with(path):
        if not path.is_file():
            raise ValueError("it is no ordinary file")
        values = torch.load(path, map_location="cpu", weights_only=True)
        if values.pop(_DIGEST, None) != _digest(values):
            raise ValueError("its content does not match its digest")
        values["progress"] = StageProgress(**values["progress"])
        checkpoint = Checkpoint(**values)
        if checkpoint.trial != trial:
            raise ValueError(f"it is of the trial {checkpoint.trial}")
        return checkpoint


@contextmanager
def compatible_with(path: Path) -> Iterator[None]:
    """Turn errors of reading the checkpoint at ``path``, or of using its content, into one that says so.

    Raises:
        UnusableCheckpointError: the checkpoint is damaged or does not fit this version.
    """
    try:
        yield
    except _UNUSABLE as error:
        text = " ".join(str(error).split()) or "it ends too early"
        reason = text.partition(" In PyTorch 2.6")[0]  # torch's further text advises to load it unsafely
        raise UnusableCheckpointError(f"The checkpoint {path} cannot be used: {reason[:200]}.") from error


def _digest(values: dict[str, Any]) -> str:
    """Return the SHA-256 of tensors and plain values, in the order in which they are stored."""
    hashed = hashlib.sha256()
    _add(hashed, values)
    return hashed.hexdigest()


def _add(hashed: "_Hash", value: Any) -> None:
    match value:
        case Tensor():
            hashed.update(f"{value.dtype}{tuple(value.shape)}".encode())
            hashed.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        case dict():
            hashed.update(f"dict of {len(value)}".encode())
            for key, item in value.items():
                _add(hashed, key)
                _add(hashed, item)
        case list() | tuple():
            hashed.update(f"list of {len(value)}".encode())
            for item in value:
                _add(hashed, item)
        case _:
            hashed.update(f"{value!r};".encode())


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the state of torch's generators for the host and for the trial's device.

    Other devices are left alone: asking for their states would start them.
    """
    return {
        "cpu": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state(device)] if device.type == "cuda" else [],
    }


def restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Put the generators for the host and for the trial's device back where they were."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        for own in state["cuda"][:1]:  # earlier versions also kept the states of other devices, after it
            torch.cuda.set_rng_state(own, device)
