"""Several rollouts of the same histories in one pass, each with its own number of steps.

The batch holds one copy of the histories per rollout, the deepest rollout first. The rollouts that have not
ended are therefore always a leading part of the batch. One pass of the core block refines them all.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lrbench.data.groups import repeated_indices
from lrbench.data.packing import Packed
from lrbench.data.transfer import on_device
from lrbench.models.latent.lares.network import LARESNetwork

__all__ = ["RolloutSteps", "roll_out"]


class RolloutSteps:
    """The steps of all rollouts in the order in which they are computed.

    First comes the first step of each rollout, then the second step of those that have one, and so on.

    Args:
        depths: steps of each rollout, at least 1, the deepest first.
        sequences: the histories, as the blocks take them.
    """

    def __init__(self, depths: Sequence[int], sequences: Packed) -> None:
        device = sequences.items.device
        taken = [sum(depth > step for depth in depths) for step in range(depths[0])]
        before = np.cumsum([0, *taken])
        weights = before[-1] / len(depths) / np.array(depths)  # (rollouts,)
        rollouts = np.concatenate([np.arange(count) for count in taken])
        self.taken = taken
        """How many rollouts take each step. The first takes all."""
        self.sequences = sequences
        self.copies = {count: sequences.repeated(count) for count in set(taken)}
        """By number of rollouts: that many copies of the histories, one after the other."""
        self.rollout_of = on_device(rollouts, device)
        """The rollout that each step belongs to, (steps in all,)."""
        self.last = on_device(np.array([before[depth - 1] + n for n, depth in enumerate(depths)]), device)
        """The last step of each rollout, (rollouts,)."""
        self.weights = on_device(weights[rollouts], device)
        """Weight of each step, (steps in all,). Every rollout counts the same, and the mean weight is 1."""


def roll_out(
    model: LARESNetwork, pre: Tensor, steps: RolloutSteps, rows: Tensor, keep: bool = True
) -> Tensor:
    """States at the given tokens after every step of every rollout, (steps in all, rows, width).

    Args:
        model: computes the steps.
        pre: pre-block output of each rollout, (rollouts · tokens, width).
        steps: the steps to take.
        rows: the tokens of the histories whose states are returned, (rows,).
        keep: whether activations are stored for the backward pass. Otherwise it recomputes them.
    """
    tokens, reached = steps.sequences.n_tokens, []
    state = model.initial_state(pre)
    places = repeated_indices(rows, steps.taken[0], tokens)  # (rollouts · rows,)
    for count in steps.taken:
        state = model.refined(state[: count * tokens], pre[: count * tokens], steps.copies[count], keep)
        reached.append(state.index_select(0, places[: count * len(rows)]))
    return torch.cat(reached).view(-1, len(rows), pre.shape[-1])
