"""Scores of rows against all items, one chunk of rows at a time, so that no rows × items matrix exists."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "add_product",
    "log_softmax_at",
    "log_softmax_without_waiting",
    "padded",
    "score_chunks",
    "without_autocast",
]

# Bytes of a chunk of scores. Time of a step by this size, at width 64, 12,101 items and 1,536 targets:
#
#   step                                                        4 MB    8 MB
#   float32, 1 core                                             135 ms  160 ms
#   float32, 2 cores with a shared cache                         68 ms   72 ms
#   bfloat16, 2 other cores                                      44 ms   38 ms
#   bfloat16, divergence of three states (two chunks at once)   214 ms  191 ms
#
# With bfloat16 every chunk converts its part of the items' gradient to float32 and adds it, so fewer chunks
# pay. An accelerator needs long chunks.
_CHUNK_BYTES = 1 << 22
_CHUNK_BYTES_BFLOAT16 = 1 << 23
_CHUNK_BYTES_ACCELERATOR = 1 << 28
_SHORTEST_CHUNK = 64
_ROW_MULTIPLE = 32


@contextmanager
def without_autocast(states: Tensor, asked: torch.dtype | None) -> Iterator[torch.dtype]:
    """Yield the type in which to compute scores, and switch autocast off while the context lasts.

    Autocast would convert whole matrices of scores to float32 before each sum over them.

    Args:
        states: what is scored, (rows, width).
        asked: type of the scores. ``None``: the type of the states.
    """
    with torch.autocast(states.device.type, enabled=False):
        yield asked or states.dtype


def padded(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Add rows of zeros up to a multiple of 32, if products of this type use compiled kernels.

    On the CPU each new shape of a bfloat16 product costs 3 ms, thirty times the product itself. With
    multiples of 32 few shapes occur.

    Args:
        rows: (rows, …).
        dtype: type of the scores.
    """
    if not _compiled(dtype, rows.device):
        return rows
    return F.pad(rows, (0,) * (2 * rows.ndim - 1) + (-len(rows) % _ROW_MULTIPLE,))


def log_softmax_at(scores: Tensor, chosen: Tensor, states: Tensor, item_vectors: Tensor) -> Tensor:
    """Turn scores into their softmax, in place, and return the log-probability of one item of each row.

    A probability below about ``exp(-87)`` is too small for its type. Such rows are scored again. On an
    accelerator the host would have to wait to learn whether there are any. There
    :func:`log_softmax_without_waiting` does the work.

    Args:
        scores: (rows, items).
        chosen: (rows,) item numbers.
        states: (rows, width), from which the scores were computed.
        item_vectors: (items, width), from which the scores were computed.

    Returns:
        (rows,), in the type of the states.
    """
    if scores.device.type != "cpu":
        return log_softmax_without_waiting(scores, chosen, states.dtype)
    probabilities = torch.softmax(scores, 1, out=scores)
    chosen = chosen.unsqueeze(1)
    picked = probabilities.gather(1, chosen).squeeze(1).to(states.dtype)
    logs = picked.log()
    vanishing = picked < torch.finfo(scores.dtype).tiny
    if vanishing.any():
        again = (states[vanishing] @ item_vectors.T).log_softmax(1)  # few rows, if any
        logs[vanishing] = again.gather(1, chosen[vanishing]).squeeze(1)
    return logs


def log_softmax_without_waiting(scores: Tensor, chosen: Tensor, dtype: torch.dtype) -> Tensor:
    """Do as :func:`log_softmax_at` does, without the host waiting for any number.

    A probability can be too small for its type, but the highest one cannot. The log-probability is therefore
    the distance of a score from the highest score, plus the logarithm of the highest probability.

    Args:
        scores: (rows, items); they become their softmax.
        chosen: (rows,) item numbers.
        dtype: of the result.

    Returns:
        (rows,).
    """
    highest, at = scores.max(1, keepdim=True)
    below = scores.gather(1, chosen.unsqueeze(1)) - highest.to(dtype)  # (rows, 1)
    probabilities = torch.softmax(scores, 1, out=scores)
    return (below + probabilities.gather(1, at).to(dtype).log()).squeeze(1)


def score_chunks(item_vectors: Tensor, *states: Tensor) -> Iterator[tuple[Any, ...]]:
    """Yield slices of the rows with their scores, in memory that the next chunk reuses.

    Args:
        item_vectors: (items, width).
        states: (rows, width) each, of the same type.

    Yields:
        The slice, and the scores of its rows for each of ``states``, (chunk, items) each.
    """
    columns = item_vectors.T  # (width, items)
    if _compiled(columns.dtype, columns.device):
        columns = columns.contiguous()  # else every product transposes it: 3.4 instead of 0.8 ms for 160 rows
    for rows, *buffers in _buffers(len(item_vectors), *states):
        products = zip(states, buffers, strict=True)
        yield rows, *(torch.mm(state[rows], columns, out=buffer) for state, buffer in products)


def add_product(total: Tensor, scores: Tensor, rows: Tensor, first: bool = False) -> None:
    """Add ``scoresᵀ · rows`` to ``total``.

    Args:
        total: (items, width); its type may be wider than that of the scores.
        scores: (chunk, items).
        rows: (chunk, width), in the type of the scores.
        first: whether ``total`` holds nothing yet, so that it is overwritten.
    """
    if total.dtype == scores.dtype:
        total.addmm_(scores.T, rows, beta=0 if first else 1)
    elif first:
        total.copy_(scores.T @ rows)
    else:
        total.add_(scores.T @ rows)


def _compiled(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether products of this type use kernels that oneDNN compiles for their shapes."""
    return dtype == torch.bfloat16 and device.type == "cpu"


def _chunk_bytes(states: Tensor) -> int:
    if states.device.type != "cpu":
        return _CHUNK_BYTES_ACCELERATOR
    return _CHUNK_BYTES_BFLOAT16 if _compiled(states.dtype, states.device) else _CHUNK_BYTES


def _buffers(n_items: int, *states: Tensor) -> Iterator[tuple[Any, ...]]:
    """Yield slices of the rows, with a (chunk, items) buffer for each of ``states``. Buffers are reused."""
    first = states[0]
    most = _chunk_bytes(first) // (n_items * first.element_size())
    length = min(max(most // _ROW_MULTIPLE * _ROW_MULTIPLE, _SHORTEST_CHUNK), len(first))
    buffers = [state.new_empty(length, n_items) for state in states]
    for start in range(0, len(first), max(length, 1)):
        rows = slice(start, min(start + length, len(first)))
        yield rows, *(buffer[: rows.stop - start] for buffer in buffers)
