"""States at the ends of many histories, without all their activations at once.

Pre-training encodes about seven times the tokens of a batch for one view. The backward pass therefore
recomputes the pre-block and all steps but the last ones, one after another. Many tokens are also cut into
pieces, since the step that is recomputed needs memory for each token.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lrbench.arrays import Int64s
from lrbench.data.batches import TrainingData
from lrbench.data.packing import Packed
from lrbench.data.transfer import on_device
from lrbench.models.latent.lares.network import STORED_BYTES, LARESNetwork
from lrbench.models.layers.activation_checkpoint import recomputed

__all__ = ["MOST_TOKENS", "pieces", "states_before"]

MOST_TOKENS = 1 << 13
"""Tokens of a piece, about. At the default width a step that is recomputed then takes about 45 MB."""


def states_before(
    model: LARESNetwork, data: TrainingData, target_ids: Int64s, steps: int, device: torch.device
) -> Tensor:
    """Encode the histories before targets, each to its last item.

    Args:
        model: encodes them.
        data: holds the targets.
        target_ids: which targets, (targets,).
        steps: reasoning steps.
        device: where the model is. An accelerator gets one piece, since each piece starts kernels.

    Returns:
        States after each step, (steps, targets, width). With 0 steps the pre-block's output is the only one.
    """
    cut = [np.arange(len(target_ids))]
    if device.type == "cpu":
        cut = pieces(data.history_lengths(target_ids), MOST_TOKENS)
    states = []
    for piece in cut:
        histories = model.arrange(data.prefixes(target_ids[piece], device))
        stored = STORED_BYTES if piece is cut[-1] else 0  # the backward pass begins with the last piece
        states.append(_last_states(model, histories, steps, stored))
    if len(cut) == 1:
        return states[0]
    place = np.argsort(np.concatenate(cut))  # (targets,) where each target is among the pieces
    return torch.cat(states, 1).index_select(1, on_device(place, device))


def pieces(lengths: Int64s, most: int) -> list[Int64s]:
    """Cut histories into pieces of about as many items. Of several pieces the first has the shortest ones.

    Args:
        lengths: items of each history, (histories,).
        most: items of a piece. It may exceed them by one history.

    Returns:
        The numbers of each piece's histories, at least one piece.
    """
    total = int(lengths.sum())
    count = -(-total // most)
    if count < 2:
        return [np.arange(len(lengths))]
    order = np.argsort(lengths, kind="stable")
    number = (np.cumsum(lengths[order]) - 1) * count // total  # of each history's piece
    return np.split(order, np.flatnonzero(np.diff(number)) + 1)


def _last_states(model: LARESNetwork, histories: Packed, steps: int, stored: int) -> Tensor:
    """States at the last items after each step, (steps or 1, histories, width).

    Args:
        model: encodes the histories.
        histories: as its blocks take them.
        steps: reasoning steps.
        stored: bytes of activations that may be stored.
    """

    def apply(function: Callable[..., Tensor], blocks: int, *inputs: Tensor) -> Tensor:
        """Apply a function, and store its activations if those from here on fit. ``blocks`` are from here."""
        if histories.n_tokens * blocks * model.block_bytes <= stored:
            return function(*inputs)
        return recomputed(function, model, *inputs)

    def pre_ends() -> Tensor:
        return model.pre.last(model.embedding(histories), histories)

    def last_step(state: Tensor, pre: Tensor) -> Tensor:
        return model.core.last(model.joined(state, pre), histories)

    each, whole = model.config.core_layers, model.config.pre_layers + steps * model.config.core_layers
    if not steps:
        return apply(pre_ends, whole).unsqueeze(0)
    pre = apply(partial(model.prepare, histories), whole)
    state, reached = model.initial_state(pre), []
    step = partial(model.step, sequences=histories)
    for left in range(steps, 1, -1):
        state = apply(step, left * each, state, pre)
        reached.append(state.index_select(0, histories.last))
    return torch.stack([*reached, apply(last_step, each, state, pre)])
