"""Count the operations of a training step that start a kernel on an accelerator, without one.

The script writes LAUNCHES.md beside this file in about a minute. It runs one step of every stage of every
model on the pretended accelerator of tests/accelerator, whose tensors have shapes and no numbers. Views and
allocations start no kernel. A fused operation counts once.
"""

import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch import Tensor
from torch.utils._pytree import tree_leaves

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "accelerator"))

from pretend import GPU, Accelerator, register_autocast, step

from lrbench.config.training import TrainingConfig
from lrbench.data.sequences import TrainingView
from lrbench.models.base import FitStage
from lrbench.models.latent.lares.network import LARESNetwork
from lrbench.registry import MODELS
from lrbench.testing import training_view

N_ITEMS, MAX_LENGTH, TARGETS = 12_101, 50, 1536
ALLOCATIONS = ("aten::empty", "aten::new_empty", "aten::_unsafe_view", "aten::lift", "aten::is_same_size")
PAGE = """# Operations that start a kernel

`python benchmarks/launches.py` writes this page. It counts the operations of one training step: the losses,
their gradients and Adam. On an accelerator each starts at least one kernel. A step of so small a network
takes about as long as its kernels take to start. No GPU was used.

- Settings: default options, {items:,} items, {targets:,} targets, bfloat16 scores.
- Histories are about as long as Beauty's.
- *Copies* move planned batches to the device. They do not wait for it.
- LARES takes 4 steps in every pass, its mean depth, instead of a drawn number. All counts use the seed 0.
- Attention counts as the kernels of CUDA: one, and one for its gradient. A mask costs those that make it.
- The gradient of SiLU counts as CUDA's one kernel.
- Torch {torch}.

{table}

gru4rec is missing. Torch prepares its fused GRU by a call that the pretended device does not have. Models
that are computed take no steps.
"""


separate_attention = F.scaled_dot_product_attention


def fused_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
) -> Tensor:
    """Attend by the memory-efficient kernel, which CUDA uses for these types, masks and dropout.

    The kernel needs heads as a dimension of their own.
    """
    if query.ndim != 4:
        return separate_attention(query, key, value, attn_mask, dropout_p, is_causal)
    if attn_mask is not None:
        attn_mask = attn_mask.expand(*query.shape[:3], key.shape[2])
    attend = torch.ops.aten._scaled_dot_product_efficient_attention
    return attend(query, key, value, attn_mask, torch.is_grad_enabled(), dropout_p, is_causal)[0]  # type: ignore[no-any-return]


def whole_silu_gradient(gradient: Tensor, values: Tensor) -> Tensor:
    """Pass the gradient of SiLU on as one operation, which CUDA has. Torch's own form has seven."""
    with torch._C._AutoDispatchBelowAutograd():
        return torch.ops.aten.silu_backward.default(gradient, values)  # type: ignore[no-any-return]


def register_silu() -> torch.library.Library:
    """Let the gradient of SiLU be one operation as long as what is returned is kept."""
    library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    library.impl("silu_backward", whole_silu_gradient, "AutogradPrivateUse1")  # type: ignore[no-untyped-call]
    return library


class Counting(Accelerator):
    """Counts operations of a step that start a kernel, and copies to the device."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = self.copies = 0
        self._nested = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self._nested or not self._watched or func is torch.ops.prim.device.default:
            return super().__torch_dispatch__(func, types, args, kwargs)
        self._nested = True  # operations inside an operation do not count again
        try:
            result = super().__torch_dispatch__(func, types, args, kwargs)
        finally:
            self._nested = False
        leaves = tree_leaves((args, result))
        places = {leaf.device.type for leaf in leaves if isinstance(leaf, torch.Tensor)}
        if func is torch.ops.aten._to_copy.default and places == {"cpu", GPU.type}:
            self.copies += 1
        elif GPU.type in places and not func.is_view and not func.name().startswith(ALLOCATIONS):
            self.kernels += 1
        return result


def histories() -> TrainingView:
    """Return training parts about as long as Beauty's: 6.9 items on average, at least 3."""
    source = np.random.default_rng(0)
    lengths = (2 + source.geometric(1 / 4.9, 400)).clip(max=MAX_LENGTH)
    return training_view([source.integers(0, N_ITEMS, length).tolist() for length in lengths], N_ITEMS)


def main() -> None:
    """Count, and write the page."""
    kept = register_autocast(), register_silu()
    view, rows = histories(), []
    training = TrainingConfig(batch_size=TARGETS, precision="bfloat16")
    for name in MODELS.names():
        kind = MODELS.load(name)
        if kind.reads_titles:
            continue
        for stage, stage_kind in kind.stages.items():
            if name == "gru4rec" or issubclass(stage_kind, FitStage):
                continue
            torch.manual_seed(0)
            attention = patch.object(F, "scaled_dot_product_attention", fused_attention)
            depth = patch.object(LARESNetwork, "draw_steps", lambda model: model.config.mean_depth)
            with attention, depth, Counting() as device:
                step(device, kind, stage, view, MAX_LENGTH, training)
            rows.append((name, stage, device.kernels, device.copies))
            print(*rows[-1], file=sys.stderr)
    del kept
    table = tabulate(rows, ("model", "stage", "kernels", "copies"), "github", intfmt=",")
    page = PAGE.format(items=N_ITEMS, targets=TARGETS, torch=torch.__version__, table=table)
    Path(__file__).with_name("LAUNCHES.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
