"""How far several states of a row disagree about the items, without targets × items at once.

With p_s the softmax of state s over all items, the divergence of S states is the mean over rows and
ordered pairs s ≠ t of ``KL(p_s ‖ p_t)``, in which p_t is a constant: the gradient reaches p_s alone.
ReaRec's ensemble reasoning (TangJiakai/ReaRec @7f46432) and parallel latent reasoning reward it.

The gradient with respect to the scores of state s is ``p_s · (D_s − Σ_v p_s·D_s)`` with
``D_s = S·log p_s − Σ_t log p_t``, so it is taken in the forward pass, chunk of rows by chunk of rows.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["pairwise_divergence"]

_CHUNK_SCORES = {"cpu": 1 << 20}  # scores of one state held at once
_CHUNK_SCORES_ACCELERATOR = 1 << 24
_SHORTEST_CHUNK = 16


def pairwise_divergence(states: Tensor, item_vectors: Tensor) -> Tensor:
    """Mean over rows and ordered pairs of states of ``KL(p_s ‖ constant p_t)``.

    Args:
        states: (states, rows, width); divide them (or the item vectors) by a temperature beforehand.
        item_vectors: (items, width).

    Returns:
        A scalar; 0 where there is only one state.
    """
    if states.shape[0] < 2:
        return states.new_zeros(())
    value: Tensor = _PairwiseDivergence.apply(states, item_vectors)  # type: ignore[no-untyped-call]
    return value


class _PairwiseDivergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, item_vectors: Tensor) -> Tensor:
        n_states, n_rows, _ = states.shape
        states_gradient = torch.empty_like(states)
        items_gradient = torch.zeros_like(item_vectors)
        total = states.new_zeros(())
        capacity = _CHUNK_SCORES.get(states.device.type, _CHUNK_SCORES_ACCELERATOR)
        length = max(capacity // len(item_vectors), _SHORTEST_CHUNK)
        for start in range(0, n_rows, length):
            rows = slice(start, min(start + length, n_rows))
            logs = (states[:, rows] @ item_vectors.T).log_softmax(-1)  # (states, chunk, items)
            summed = logs.sum(0)  # (chunk, items)
            for state, log in enumerate(logs):
                probabilities = log.exp()
                excess = log.mul_(n_states).sub_(summed)  # (chunk, items)
                divergence = (probabilities * excess).sum(1, keepdim=True)  # (chunk, 1)
                total += divergence.sum()
                by_score = excess.sub_(divergence).mul_(probabilities)
                torch.mm(by_score, item_vectors, out=states_gradient[state, rows])
                items_gradient.addmm_(by_score.T, states[state, rows])
        ctx.save_for_backward(states_gradient, items_gradient)
        ctx.terms = n_rows * n_states * (n_states - 1)
        value: Tensor = total / ctx.terms
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        states_gradient, items_gradient = ctx.saved_tensors
        scale = gradient / ctx.terms
        return scale * states_gradient, scale * items_gradient
