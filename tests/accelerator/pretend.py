"""Run every model's stages and its ranking on a pretended accelerator, and print what would not work there.

PyTorch lets Python register a device of its own. Fake tensors on it have shapes and devices, and no numbers.
Three faults of code for an accelerator then show as exceptions:

* an operation on tensors of different devices;
* an operation that needs a number of the device on the host: a wait;
* a copy to the device that waits until the device has done all earlier work.

Tensors of the host are real, so what is drawn and planned there works as usual. The script runs in a process
of its own, since the device cannot be taken back.

Prints one JSON object: ``"MODEL STAGE"`` or ``"MODEL ranking"`` → an empty string, or what failed and where.
"""

import json
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from types import ModuleType, SimpleNamespace
from typing import Any, get_args
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from lrbench.config.interventions import Intervention
from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingData
from lrbench.data.sequences import EvaluationView, TrainingView
from lrbench.evaluation.interventions import arranged, rank_with
from lrbench.evaluation.ranking import rank_targets
from lrbench.models.base import FitStage, GradientStage, Model
from lrbench.models.latent.lares.reinforcement import PostTraining
from lrbench.models.reasoning import ReasoningModel
from lrbench.registry import MODELS
from lrbench.testing import training_view
from lrbench.training.epoch import run_epoch
from lrbench.training.loss_record import LossRecord
from lrbench.training.optimiser import Optimiser
from lrbench.training.step import GradientStep

_setup_privateuseone_for_python_backend("gpu")
GPU = torch.device("gpu:0")
N_ITEMS, MAX_LENGTH = 50, 10
HISTORIES = [np.random.default_rng(n).integers(0, N_ITEMS, 3 + n % 7).tolist() for n in range(10)]
VIEW = training_view(HISTORIES, N_ITEMS)
EVALUATED = EvaluationView(
    VIEW.items, np.arange(len(HISTORIES)), VIEW.starts, VIEW.stops - 1, VIEW.items[VIEW.stops - 1], N_ITEMS
)
TRAINING = TrainingConfig(batch_size=1000, gradient_clip=1.0, precision="bfloat16")

WITHOUT_PRETENCE = (torch.ops.aten._fused_adam_.tensor_lr, torch.ops.aten._fused_adamw_.tensor_lr)
"""Operations in place that have no form for pretended tensors in torch. They return nothing."""


class WaitError(RuntimeError):
    """The host would wait for the device."""


class Accelerator(FakeTensorMode):
    """Fakes what is on the pretended device, and leaves the host's tensors real."""

    def __init__(self) -> None:
        super().__init__()
        self._watched = False
        self.operations: list[Any] = []
        """What was asked of the device without waits: operations, with the shapes of tensors."""

    def __deepcopy__(self, _: Any) -> "Accelerator":
        return self  # a copied model stays on the same device

    @contextmanager
    def without_waits(self) -> Iterator[None]:
        """Refuse what would make the host wait."""
        self._watched = True
        try:
            yield
        finally:
            self._watched = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.prim.device.default:
            return args[0].fake_device  # a question, no operation
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        place = kwargs.get("device")
        of_device = any(isinstance(tensor, FakeTensor) for tensor in tensors)
        if not of_device and (place is None or torch.device(place).type == "cpu"):
            return func(*args, **kwargs)
        if self._watched:
            _refuse_waits(func, tensors, args, kwargs)
            self.operations.append((func.name(), *map(_without_values, tree_leaves((args, kwargs)))))
        if func in WITHOUT_PRETENCE:
            return None
        args, kwargs = tree_map(self._faked, (args, kwargs))
        return super().__torch_dispatch__(func, types, args, kwargs)

    def _faked(self, leaf: Any) -> Any:
        """A fake in place of a real tensor."""
        real = isinstance(leaf, Tensor) and not isinstance(leaf, FakeTensor)
        return self.from_tensor(leaf) if real else leaf


def _without_values(leaf: Any) -> Any:
    """An argument as a recorded operation keeps it: numbers of the host stay, those of the device do not."""
    if isinstance(leaf, FakeTensor):
        return leaf.shape, leaf.dtype
    return leaf.tolist() if isinstance(leaf, Tensor) else str(leaf)


def _refuse_waits(func: Any, tensors: list[Tensor], args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    of_host = any(not isinstance(tensor, FakeTensor) and tensor.ndim for tensor in tensors)
    if func is torch.ops.aten._to_copy.default:
        to_host = kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "cpu"
        if to_host or (of_host and not kwargs.get("non_blocking")):
            raise WaitError(f"a copy to the {'host' if to_host else 'device'} that waits")
    elif func is torch.ops.aten.copy_.default:
        if of_host and not (len(args) > 2 and args[2]):
            raise WaitError("a copy that waits")
    elif of_host:
        raise WaitError(f"{func} copies a tensor of the host")


def register_autocast() -> torch.library.Library:
    """Let mixed precision be switched on there. It casts nothing; lrbench's own casts of scores remain.

    Returns:
        What must be kept as long as the registration is to last.
    """
    module = getattr(torch, "gpu", None) or ModuleType("torch.gpu")
    module.get_amp_supported_dtype = lambda: [torch.bfloat16]  # type: ignore[attr-defined]
    torch.gpu = module  # type: ignore[attr-defined]
    sys.modules["torch.gpu"] = module
    library = torch.library.Library("_", "IMPL", "AutocastPrivateUse1")
    library.fallback(torch.library.fallthrough_kernel)
    return library


def every_target(_: PostTraining, data: TrainingData, __: torch.device) -> Any:
    """Which targets to train on, in place of a choice by ranks, which is read once before the stage."""
    return np.ones(data.n_targets, dtype=np.bool_)


def step(
    device: Accelerator,
    kind: type[Model[Any]],
    name: str,
    view: TrainingView = VIEW,
    max_length: int = MAX_LENGTH,
    training: TrainingConfig = TRAINING,
) -> None:
    """One step: losses, gradients and the optimiser. Only the read of the losses is left out."""
    model = kind(kind.Config(), view.n_items, max_length).to(GPU)
    stage = kind.stages[name](model)
    if isinstance(stage, FitStage):
        stage.fit(view)
        return
    assert isinstance(stage, GradientStage)
    data = TrainingData(view, max_length, stage.training_rows())
    with patch.object(PostTraining, "_reachable", every_target):
        keep = stage.begin(data, GPU)
    stage.begin_epoch(1)
    optimiser = Optimiser(model.parameters(), training)
    with device.without_waits(), patch.object(LossRecord, "read"):
        first = islice(data.batches(training.batch_size, GPU, keep=keep), 1)
        run_epoch(GradientStep(stage, optimiser, training, GPU), first, "the epoch")


def recording(device: Accelerator, kind: type[Model[Any]], name: str) -> None:
    """Two steps on batches of one shape. A step can be recorded if both ask the same of the device."""
    model = kind(kind.Config(), N_ITEMS, MAX_LENGTH).to(GPU)
    stage = kind.stages[name](model)
    assert isinstance(stage, GradientStage)
    data = TrainingData(VIEW, MAX_LENGTH, stage.training_rows())
    stage.begin(data, GPU)
    stage.begin_epoch(1)
    model.train()
    model.score_dtype = torch.bfloat16
    training = TRAINING.model_copy(update={"graph": True})
    step = GradientStep(stage, Optimiser(model.parameters(), training), training, GPU)
    asked = []
    for seed in (0, 1, 2):
        (batch,) = data.batches(1000, GPU, np.random.default_rng(seed), filled=True)
        device.operations.clear()
        with device.without_waits():
            step.follow(step.losses(batch))
        asked.append(list(device.operations))
    for first, second in zip(*asked[1:], strict=True):
        if first != second:
            raise AssertionError(f"one step asks {first}, another one {second}")
    copies = [call for call in asked[1] if call[0].startswith("aten::_to_copy") and isinstance(call[1], list)]
    if copies:
        raise AssertionError(f"a step takes numbers from the host: {copies[0]}")


def unread(counts: Tensor) -> Any:
    """Counts in place of those that the host reads once for each chunk of users."""
    return np.zeros(counts.shape, dtype=np.int64)


def ranking(device: Accelerator, kind: type[Model[Any]]) -> None:
    """Ranks at several depths, and with the latents of each intervention."""
    model = kind(kind.Config(), N_ITEMS, MAX_LENGTH).to(GPU)
    reads = patch("lrbench.evaluation.ranking._on_host", unread)
    # The device has no source of draws of its own; `None` stands for torch's.
    source = patch("torch.Generator", lambda _: SimpleNamespace(manual_seed=lambda _: None))
    # In inference mode operations do not reach the pretended device in parts, such as copies.
    parts = patch("torch.inference_mode", lambda mode=True: torch.no_grad() if mode else nullcontext())
    with reads, source, parts, device.without_waits():
        rank_targets(model, EVALUATED, (0, 1, 3) if kind.reasons else (0,), 0, GPU)
        for intervention in get_args(Intervention) if isinstance(model, ReasoningModel) else ():
            arrangement = arranged(
                intervention, np.zeros(len(EVALUATED), dtype=np.int64), EVALUATED.owners, 0
            )
            rank_with(model, EVALUATED, 2, arrangement, 0, GPU)


def complaint(function: Callable[..., None], *given: Any) -> str:
    """What fails when the function runs on the pretended device, and where; empty if nothing does."""
    try:
        with Accelerator() as device:
            function(device, *given)
    except Exception as error:
        calls = [call for call in traceback.extract_tb(error.__traceback__) if "/lrbench/" in call.filename]
        place = f"{calls[-1].filename.rpartition('/lrbench/')[2]}:{calls[-1].lineno}" if calls else "torch"
        return f"{type(error).__name__} at {place}: {str(error).splitlines()[0][:150]}"
    return ""


def replayable(kind: type[Model[Any]]) -> list[str]:
    """Names of the stages of a model whose steps can be recorded."""
    return [
        name
        for name, stage in kind.stages.items()
        if issubclass(stage, GradientStage) and stage.replayable(kind, kind.Config())
    ]


def complaints(name: str) -> dict[str, str]:
    """The complaints about each stage of a model and about its ranking."""
    kind = MODELS.load(name)
    found = {f"{name} {stage}": complaint(step, kind, stage) for stage in kind.stages}
    found |= {f"{name} {stage} recorded": complaint(recording, kind, stage) for stage in replayable(kind)}
    found[f"{name} ranking"] = complaint(ranking, kind)
    return found


if __name__ == "__main__":
    kept = register_autocast()
    names = sys.argv[1:] or [name for name in MODELS.names() if not MODELS.load(name).reads_titles]
    print(json.dumps({part: text for name in names for part, text in complaints(name).items()}))
