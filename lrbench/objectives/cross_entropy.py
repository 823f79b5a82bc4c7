"""Full softmax cross-entropy over the catalogue that never holds targets × items at once.

With states h (one per target) and item vectors e, the loss is the mean over targets t of
``log Σ_v exp(h_t·e_v) − h_t·e_target``. Its gradient is known as soon as a row's scores are, so both
gradients are taken chunk by chunk in the forward pass and the scores are dropped at once: nothing
longer than a chunk exists, and a chunk is small enough to stay in the processor's cache. The
sums over rows are those of the dense form, in another order.

Under autocast the products and the scores of a chunk are of the autocast type (bfloat16), all sums over
items and rows are not: measured on one core, 1,024 targets and 12,101 items of width 64 take 43 ms
instead of 74.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lrbench.objectives.chunks import add_product, product_type, score_chunks

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
    loss: Tensor = _CrossEntropy.apply(states, item_vectors, targets, torch.is_grad_enabled())  # type: ignore[no-untyped-call]
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
    values: Tensor = _TargetLogProbabilities.apply(states, item_vectors, targets)  # type: ignore[no-untyped-call]
    return values


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
        ctx: Any, states: Tensor, item_vectors: Tensor, targets: Tensor, differentiate: bool
    ) -> Tensor:
        needed = differentiate and any(ctx.needs_input_grad)
        states_gradient = torch.empty_like(states) if needed else None
        items_gradient = torch.zeros_like(item_vectors) if needed else None
        loss = states.new_zeros(())
        product = product_type(states)
        items = item_vectors.to(product)
        for rows, scores in score_chunks(items, states.to(product)):
            scores.sub_(scores.amax(1, keepdim=True))
            target_score = scores.gather(1, targets[rows].unsqueeze(1))  # (chunk, 1)
            total = scores.exp_().sum(1, keepdim=True, dtype=states.dtype)  # (chunk, 1)
            loss += (total.log() - target_score).sum()
            if states_gradient is not None and items_gradient is not None:
                # d loss / d scores is the softmax, less 1 at the target. The softmax is `scores / total`;
                # dividing on the side of the narrow factor spares a pass over the scores.
                torch.div(scores @ items, total, out=states_gradient[rows])
                add_product(items_gradient, scores, (states[rows] / total).to(product))
        if states_gradient is not None and items_gradient is not None:
            states_gradient.sub_(item_vectors[targets])
            items_gradient.index_add_(0, targets, states, alpha=-1)
        ctx.save_for_backward(states_gradient, items_gradient)
        ctx.n_targets = len(targets)
        return loss / len(targets)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        scale = gradient / ctx.n_targets
        states_gradient, items_gradient = ctx.saved_tensors
        return scale * states_gradient, scale * items_gradient, None, None


class _TargetLogProbabilities(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, item_vectors: Tensor, targets: Tensor) -> Tensor:
        values, log_totals = states.new_empty(len(targets)), states.new_empty(len(targets))
        ctx.product = product_type(states)
        for rows, scores in score_chunks(item_vectors.to(ctx.product), states.to(ctx.product)):
            target_score = scores.gather(1, targets[rows].unsqueeze(1))  # (chunk, 1)
            largest = scores.amax(1, keepdim=True)
            total = scores.sub_(largest).exp_().sum(1, keepdim=True, dtype=states.dtype)
            log_total = total.log_().add_(largest)
            log_totals[rows] = log_total.squeeze(1)
            values[rows] = (target_score - log_total).squeeze(1)
        ctx.save_for_backward(states, item_vectors, targets, log_totals)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, item_vectors, targets, log_totals = ctx.saved_tensors
        states_gradient, items_gradient = torch.empty_like(states), torch.zeros_like(item_vectors)
        items, weights = item_vectors.to(ctx.product), gradient.unsqueeze(1)  # (targets, 1)
        for rows, scores in score_chunks(items, states.to(ctx.product)):
            # The row's weight times d log p(target) / d scores, which is 1 at the target minus the softmax.
            scores.sub_(log_totals[rows].unsqueeze(1)).exp_()
            torch.mul(scores @ items, -weights[rows], out=states_gradient[rows])
            add_product(items_gradient, scores, (states[rows] * -weights[rows]).to(ctx.product))
        states_gradient.addcmul_(weights, item_vectors[targets])
        items_gradient.index_add_(0, targets, states * weights)
        return states_gradient, items_gradient, None
