"""Full softmax cross-entropy over the catalogue that never holds targets × items at once.

With states h (one per target) and item vectors e, the loss is the mean over targets t of
``log Σ_v exp(h_t·e_v) − h_t·e_target``. Its gradient is known as soon as a row's scores are, so both
gradients are taken chunk by chunk in the forward pass and the scores are dropped at once: nothing
longer than a chunk exists, and a chunk is small enough to stay in the processor's cache. The
sums over rows are those of the dense form, in another order.

Scores may be coarser than the rest (:func:`~lrbench.objectives.chunks.scores_in`); sums over them are not.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lrbench.objectives.chunks import add_product, log_softmax_at, padded, score_chunks, score_type

__all__ = ["cross_entropy", "items_above", "target_log_probabilities"]


def cross_entropy(states: Tensor, item_vectors: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log-probability of the targets under the softmax over all items.

    Args:
        states: (targets, width); divide them (or the item vectors) by a temperature beforehand.
        item_vectors: (items, width).
        targets: (targets,) item numbers.

    Returns:
        A scalar; equal to ``F.cross_entropy(states @ item_vectors.T, targets)``.
    """
    with score_type(states) as product:
        loss: Tensor = _CrossEntropy.apply(  # type: ignore[no-untyped-call]
            padded(states.to(item_vectors.dtype), product),
            item_vectors,
            padded(targets, product),
            len(targets),
            product,
            torch.is_grad_enabled(),
        )
    return loss


def target_log_probabilities(states: Tensor, item_vectors: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of each target under the softmax over all items.

    The backward pass computes the scores again, for any gradient of the log-probabilities.

    Args:
        states: (targets, width).
        item_vectors: (items, width).
        targets: (targets,) item numbers.

    Returns:
        (targets,)
    """
    with score_type(states) as product:
        values: Tensor = _TargetLogProbabilities.apply(  # type: ignore[no-untyped-call]
            padded(states.to(item_vectors.dtype), product), item_vectors, padded(targets, product), product
        )
    return values[: len(targets)]


@torch.no_grad()
def items_above(states: Tensor, item_vectors: Tensor, targets: Tensor) -> Tensor:
    """Count the items whose score is strictly greater than the target's: the 0-based rank without ties.

    Args:
        states: (targets, width).
        item_vectors: (items, width).
        targets: (targets,) item numbers.

    Returns:
        (targets,) int64
    """
    above = torch.empty_like(targets)
    for rows, scores in score_chunks(item_vectors, states):
        target_score = scores.gather(1, targets[rows].unsqueeze(1))  # (chunk, 1)
        # Summing bytes to int32 takes a sixth of the time of summing booleans.
        above[rows] = (scores > target_score).view(torch.uint8).sum(1, dtype=torch.int32)
    return above


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        item_vectors: Tensor,
        targets: Tensor,
        count: int,
        product: torch.dtype,
        differentiate: bool,
    ) -> Tensor:
        needed = differentiate and any(ctx.needs_input_grad)
        states_gradient = torch.empty_like(states) if needed else None
        items_gradient = torch.zeros_like(item_vectors) if needed else None
        logs = states.new_empty(len(states))
        items, rounded = item_vectors.to(product), states.to(product)
        for rows, scores in score_chunks(items, rounded):
            logs[rows] = log_softmax_at(scores, targets[rows])
            if states_gradient is not None and items_gradient is not None:
                # d loss / d scores is the softmax, which the scores are now, less 1 at the target.
                states_gradient[rows] = scores @ items
                add_product(items_gradient, scores, rounded[rows])
        if states_gradient is not None and items_gradient is not None:
            states_gradient.sub_(item_vectors.index_select(0, targets))
            items_gradient.index_add_(0, targets, states, alpha=-1)
        ctx.save_for_backward(states_gradient, items_gradient)
        ctx.count = count
        return -logs[:count].mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        scale = gradient / ctx.count
        states_gradient, items_gradient = ctx.saved_tensors
        return scale * states_gradient, scale * items_gradient, None, None, None, None


class _TargetLogProbabilities(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, item_vectors: Tensor, targets: Tensor, product: torch.dtype
    ) -> Tensor:
        values = states.new_empty(len(targets))
        for rows, scores in score_chunks(item_vectors.to(product), states.to(product)):
            values[rows] = log_softmax_at(scores, targets[rows])
        ctx.save_for_backward(states, item_vectors, targets)
        ctx.product = product
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, item_vectors, targets = ctx.saved_tensors
        states_gradient, items_gradient = torch.empty_like(states), torch.zeros_like(item_vectors)
        items, weights = item_vectors.to(ctx.product), gradient.unsqueeze(1)  # (targets, 1)
        for rows, scores in score_chunks(items, states.to(ctx.product)):
            # The row's weight times d log p(target) / d scores, which is 1 at the target minus the softmax.
            probabilities = torch.softmax(scores, 1, out=scores)
            torch.mul(probabilities @ items, -weights[rows], out=states_gradient[rows])
            add_product(items_gradient, probabilities, (states[rows] * -weights[rows]).to(ctx.product))
        states_gradient.addcmul_(weights, item_vectors.index_select(0, targets))
        items_gradient.index_add_(0, targets, states * weights)
        return states_gradient, items_gradient, None, None
