"""How far several states of a row disagree about the items, without a targets × items matrix.

p_s is the softmax of state s over all items. The divergence of S states is the mean of ``KL(p_s ‖ p_t)`` over
rows and ordered pairs s ≠ t. Here p_t is constant: the gradient reaches p_s alone. ReaRec's ensemble
reasoning (TangJiakai/ReaRec @7f46432) and parallel latent reasoning reward a large divergence.

Let y_s be the scores of state s, and ``d_s = S·y_s − Σ_t y_t``. Then ``Σ_t KL(p_s ‖ p_t)`` equals
``Σ_v p_s·d_s`` plus logarithms of the softmaxes' denominators, which cancel over the states of a row. d_s are
also the scores of the state ``S·h_s − Σ_t h_t``. One product therefore replaces passes over the scores of all
states. The gradient with respect to the scores is ``p_s·(d_s − Σ_v p_s·d_s)``. It is computed in the forward
pass, chunk by chunk of the rows.

``score_dtype`` can give scores a lower precision than the rest. Sums over scores keep the precision of the
rest.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lrbench.objectives.score_chunks import add_product, padded, score_chunks, without_autocast

__all__ = ["pairwise_divergence"]


def pairwise_divergence(
    states: Tensor,
    item_vectors: Tensor,
    score_dtype: torch.dtype | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the mean of ``KL(p_s ‖ constant p_t)`` over rows and ordered pairs of states.

    Args:
        states: (states, rows, width). Divide them or the item vectors by a temperature first.
        item_vectors: (items, width).
        score_dtype: type of the scores of all items; ``None``: the type of the states.
        weights: (rows,) weight of each row; they add up to 1. ``None``: all the same.

    Returns:
        A scalar; 0 if there is only one state.
    """
    if states.shape[0] < 2:
        return states.new_zeros(())
    with without_autocast(states, score_dtype) as dtype:
        value: Tensor = _PairwiseDivergence.apply(  # type: ignore[no-untyped-call]
            states.to(item_vectors.dtype), item_vectors, dtype, weights
        )
    return value


class _PairwiseDivergence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, item_vectors: Tensor, dtype: torch.dtype, weights: Tensor | None
    ) -> Tensor:
        n_states, n_rows, width = states.shape
        items, flat = item_vectors.to(dtype), states.reshape(-1, width)
        differences = (n_states * states - states.sum(0)).reshape(-1, width)  # (states · rows, width)
        # Rows that pad a chunk have equal scores and no differences, so they add nothing.
        rounded, excesses = (padded(part.to(dtype), dtype) for part in (flat, differences))
        counts = None if weights is None else weights.to(states.dtype).repeat(n_states).unsqueeze(1)
        counts = None if counts is None else padded(counts, dtype)  # (states · rows, 1)
        states_gradient = states.new_empty(rounded.shape)
        items_gradient = torch.zeros_like(item_vectors)
        total = states.new_zeros(())
        for rows, scores, excess in score_chunks(items, rounded, excesses):
            probabilities = torch.softmax(scores, 1, out=scores)  # (chunk, items)
            weighted = excess.mul_(probabilities)  # (chunk, items)
            # torch sums in float32 and rounds once. Asking for a float32 result would widen the whole chunk.
            mean = weighted.sum(1, keepdim=True)  # (chunk, 1)
            score_gradient = weighted.addcmul_(probabilities, mean, value=-1)  # (chunk, items)
            if counts is None:
                total += mean.sum(dtype=states.dtype)
                states_gradient[rows] = score_gradient @ items
                add_product(items_gradient, score_gradient, rounded[rows])
            else:  # weights multiply the (chunk, width) factors, not the (chunk, items) scores
                total += (mean * counts[rows]).sum()
                states_gradient[rows] = (score_gradient @ items) * counts[rows]
                add_product(items_gradient, score_gradient, (rounded[rows] * counts[rows]).to(dtype))
        ctx.save_for_backward(states_gradient[: len(flat)].view_as(states), items_gradient)
        ctx.terms = (n_rows if weights is None else 1) * n_states * (n_states - 1)
        return total / ctx.terms

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states_gradient, items_gradient = ctx.saved_tensors
        scale = gradient / ctx.terms
        return scale * states_gradient, scale * items_gradient, None, None
