"""Log-probabilities of targets among all items, and losses of them, without a targets × items matrix.

For states h (one per target) and item vectors e, ``ℓ_t = h_t·e_target − log Σ_v exp(h_t·e_v)``. Rows are
scored in chunks that fit into the processor's cache, and each chunk's scores are dropped after use. Sums over
rows are those of the dense form, added in another order.

If a loss is the mean of a known function of each ℓ_t, its gradient is known as soon as the row's scores are.
The gradients of states and items are then computed chunk by chunk in the forward pass (:func:`mean_loss`).
Otherwise the backward pass computes the scores a second time (:func:`target_log_probabilities`).

``score_dtype`` can give scores a lower precision than the rest. Sums over scores keep the precision of the
rest.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from lrbench.objectives.means import mean_over_rows
from lrbench.objectives.score_chunks import (
    add_product,
    log_softmax_at,
    padded,
    score_chunks,
    without_autocast,
)

__all__ = ["RowLoss", "mean_loss", "target_log_probabilities"]

RowLoss = Callable[[Tensor, slice], tuple[Tensor, Tensor | None]]
"""Takes the log-probabilities of some rows, (rows,), and the slice of these rows. Returns each row's loss and
its derivative with respect to the log-probability, (rows,) each. ``None``: every derivative is −1, for which
fewer kernels start."""


def mean_loss(
    states: Tensor,
    item_vectors: Tensor,
    targets: Tensor,
    row_loss: RowLoss,
    score_dtype: torch.dtype | None = None,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the mean over targets of a function of the target's log-probability.

    Args:
        states: (targets, width). Divide them or the item vectors by a temperature first.
        item_vectors: (items, width).
        targets: (targets,) item numbers.
        row_loss: the function, with its derivative.
        score_dtype: type of the scores of all items; ``None``: the type of the states.
        weights: (targets,) weight of each target's loss; they add up to 1. ``None``: all the same.

    Returns:
        The mean, a scalar, and the log-probabilities, (targets,), which pass no gradient.
    """
    weights = None if weights is None else weights.to(item_vectors.dtype)
    with without_autocast(states, score_dtype) as dtype:
        loss, logs = _MeanLoss.apply(  # type: ignore[no-untyped-call]
            padded(states.to(item_vectors.dtype), dtype),
            item_vectors,
            targets,
            dtype,
            row_loss,
            torch.is_grad_enabled(),
            weights,
        )
    return loss, logs


def target_log_probabilities(
    states: Tensor, item_vectors: Tensor, targets: Tensor, score_dtype: torch.dtype | None = None
) -> Tensor:
    """Return the log-probability of each target under the softmax over all items, for a loss of any kind.

    Args:
        states: (targets, width). Divide them or the item vectors by a temperature first.
        item_vectors: (items, width).
        targets: (targets,) item numbers.
        score_dtype: type of the scores of all items; ``None``: the type of the states.

    Returns:
        (targets,)
    """
    with without_autocast(states, score_dtype) as dtype:
        values: Tensor = _TargetLogProbabilities.apply(  # type: ignore[no-untyped-call]
            padded(states.to(item_vectors.dtype), dtype), item_vectors, padded(targets, dtype), dtype
        )
    return values[: len(targets)]


class _Gradients:
    """Gradients of ``Σ_t w_t · ℓ_t`` with respect to states and items, accumulated chunk by chunk.

    The gradient with respect to a row's scores is w_t times (1 at the target, minus the softmax).

    Args:
        states: (targets, width).
        coarse: the states in the type of the scores, (targets, width).
        item_vectors: (items, width).
        targets: (targets,) item numbers.
    """

    def __init__(self, states: Tensor, coarse: Tensor, item_vectors: Tensor, targets: Tensor) -> None:
        self._inputs = states, item_vectors, targets
        self._coarse = coarse
        self.states = torch.empty_like(states)  # (targets, width)
        # The first chunk overwrites the items' gradient.
        self.items = torch.empty_like(item_vectors) if len(states) else torch.zeros_like(item_vectors)

    def add(self, rows: slice, probabilities: Tensor, items: Tensor, weights: Tensor | None) -> None:
        """Add the part of the softmax.

        Args:
            rows: a slice of the targets.
            probabilities: the softmax of their scores, (chunk, items).
            items: item vectors in the type of the scores, (items, width).
            weights: w_t of these rows, (chunk,); ``None``: −1.
        """
        states, item_vectors, targets = self._inputs
        mean, out, first = probabilities @ items, self.states[rows], rows.start == 0
        if weights is None:
            torch.sub(mean, item_vectors.index_select(0, targets[rows]), out=out)
            add_product(self.items, probabilities, self._coarse[rows], first)
        else:
            minus = -weights.unsqueeze(1)  # (chunk, 1)
            torch.mul(mean, minus, out=out)
            add_product(self.items, probabilities, (states[rows] * minus).to(items.dtype), first)

    def finish(self, weights: Tensor | None) -> None:
        """Add the part of the targets that is missing, with w_t of all rows, (targets,), or ``None``: −1."""
        states, item_vectors, targets = self._inputs
        if weights is None:
            self.items.index_add_(0, targets, states, alpha=-1)
        else:
            self.states.addcmul_(weights.unsqueeze(1), item_vectors.index_select(0, targets))
            self.items.index_add_(0, targets, states * weights.unsqueeze(1))


class _MeanLoss(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917 - autograd takes tensors one by one
        ctx: Any,
        states: Tensor,
        item_vectors: Tensor,
        targets: Tensor,
        dtype: torch.dtype,
        row_loss: RowLoss,
        differentiate: bool,
        weights: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        count, targets = len(targets), padded(targets, dtype)
        needed = differentiate and any(ctx.needs_input_grad)
        items, coarse = item_vectors.to(dtype), states.to(dtype)
        gradients = _Gradients(states, coarse, item_vectors, targets) if needed else None
        chunks = []  # of each chunk: log-probabilities and losses of real rows
        slopes = []  # of each chunk: w_t of all rows, unless each is −1
        for rows, scores in score_chunks(items, coarse):
            real = slice(min(rows.start, count), min(rows.stop, count))  # the other rows are padding
            logs = log_softmax_at(scores, targets[rows], states[rows], item_vectors)
            logs = logs[: real.stop - real.start]
            losses, slope = row_loss(logs, real)
            if weights is not None:
                slope = -weights[real] if slope is None else slope * weights[real]
            if slope is not None:
                slope = slope.to(states.dtype)
                if real != rows:
                    slope = F.pad(slope, (0, rows.stop - rows.start - len(slope)))
                slopes.append(slope)
            if gradients is not None:
                gradients.add(rows, scores, items, slope)  # by now the scores have become their softmax
            chunks.append((logs, losses.to(states.dtype)))
        logs, losses = chunks[0] if len(chunks) == 1 else map(torch.cat, zip(*chunks, strict=True))
        if gradients is not None:
            gradients.finish(_joined(slopes))
            ctx.save_for_backward(gradients.states, gradients.items)
        ctx.count = count if weights is None else 1
        ctx.mark_non_differentiable(logs)
        ctx.set_materialize_grads(False)  # the log-probabilities have no gradient
        return mean_over_rows(losses, weights), logs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return (None,) * 7
        return *torch._foreach_mul(ctx.saved_tensors, gradient / ctx.count), *(None,) * 5


def _joined(slopes: list[Tensor]) -> Tensor | None:
    """The slopes of all chunks, (targets,), if there are any."""
    if len(slopes) > 1:
        return torch.cat(slopes)
    return slopes[0] if slopes else None


class _TargetLogProbabilities(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, item_vectors: Tensor, targets: Tensor, dtype: torch.dtype
    ) -> Tensor:
        values = states.new_empty(len(targets))
        for rows, scores in score_chunks(item_vectors.to(dtype), states.to(dtype)):
            values[rows] = log_softmax_at(scores, targets[rows], states[rows], item_vectors)
        ctx.save_for_backward(states, item_vectors, targets)
        ctx.dtype = dtype
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, item_vectors, targets = ctx.saved_tensors
        items, coarse = item_vectors.to(ctx.dtype), states.to(ctx.dtype)
        gradients = _Gradients(states, coarse, item_vectors, targets)
        for rows, scores in score_chunks(items, coarse):
            gradients.add(rows, torch.softmax(scores, 1, out=scores), items, gradient[rows])
        gradients.finish(gradient)
        return gradients.states, gradients.items, None, None
