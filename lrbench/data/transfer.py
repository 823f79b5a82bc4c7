"""Copies arrays from the host to the device."""

import numpy as np
import torch
from torch import Tensor

from lrbench.arrays import Bools, Floats, Int64s

__all__ = ["on_device"]


def on_device(values: Int64s | Bools | Floats, device: torch.device) -> Tensor:
    """Copy an array to the device, without waiting until the device has taken it.

    On the CPU the tensor shares the array's memory. On a CUDA device the copy starts from pinned memory. A
    copy from other memory would wait for all work that the device was given before.

    Args:
        values: an array of any shape; do not change it afterwards.
        device: where to put them.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
