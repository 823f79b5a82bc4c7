"""LARES, stage 1: self-supervised pre-training (SPT).

A batch is encoded three times, each time with its own initial noise and dropout. The first pass gives the
cross-entropy of the next item. The other two give two views of each aligned target after a drawn number of
steps: (a) its own history, (b) the history of another training row with the same target. Trajectory-level
alignment is the symmetric InfoNCE of the two views' last states. Step-level alignment is the same loss
between view a's last state and its state after a drawn step. That step may be the last one. The loss is
``CE + α·trajectory + γ·step`` (BishopLiu/LARES @b09245d, ``model.py``).

The source's batches are shuffled prefixes with one target each. Here all targets of a user are rows of one
packed sequence:

* The first pass encodes each sequence once. If every target is aligned, so does view a. Rows of a user then
  share the noise of their common positions.
* If one target of each sequence is aligned, both views are single histories, encoded in one pass.
* By default, rows of the same user are not negatives of each other.
"""

import numpy as np
import torch
from torch import Tensor

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.data.same_target import SameTarget, aligned_targets
from lrbench.models.base import GradientStage, Terms
from lrbench.models.latent.lares.last_states import states_before
from lrbench.models.latent.lares.network import LARESNetwork
from lrbench.models.layers.initialisation import set_dropout
from lrbench.objectives.alignment import symmetric_info_nce
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["SelfSupervised"]


class SelfSupervised(GradientStage):
    """Cross-entropy with trajectory-level and step-level alignment."""

    model: LARESNetwork
    _data: TrainingData
    _same_target: SameTarget

    def begin(self, data: TrainingData, device: torch.device) -> None:
        """Index the training targets by item."""
        set_dropout(self.model, self.model.config.dropout)
        self._data = data
        self._same_target = SameTarget(data.target_items)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss`` and its terms. A term of weight 0 is neither computed nor returned.

        A pass of one step has no ``step`` term.
        """
        model, config = self.model, self.model.config
        terms = self._alignment(batch) if config.alpha or config.gamma else {}
        # This pass comes last. The backward pass then frees its activations before it recomputes others.
        states = model.target_states(batch)  # (targets, width)
        loss = cross_entropy(states, model.item_vectors(), batch.targets, model.score_dtype)
        terms = {"cross_entropy": loss, **terms}
        loss = loss + config.alpha * terms.get("trajectory", 0) + config.gamma * terms.get("step", 0)
        return {"loss": loss, **terms}

    def _alignment(self, batch: TrainingBatch) -> Terms:
        model, config = self.model, self.model.config
        target_ids = batch.target_ids[aligned_targets(batch, config.alignment_rows)]
        device = batch.rows.device
        excluded = None if config.same_sequence_negatives else self._data.same_user(target_ids, device)
        steps = model.draw_steps()
        others = self._same_target.draw(target_ids) if config.alpha else target_ids[:0]
        # `view` holds view a after each step, `other` view b after the last, all (aligned targets, width).
        if config.alignment_rows == "sequence":
            both = np.concatenate((target_ids, others))
            states = states_before(model, self._data, both, steps, device)
            view, other = list(states[:, : len(target_ids)]), states[-1, len(target_ids) :]
        else:  # whole sequences hold the histories of all their targets
            if config.alpha:
                other = states_before(model, self._data, others, steps, device)[-1]
            sequences, rows = model.arrange(batch.sequences), model.arranged_rows(batch.sequences, batch.rows)
            view = [
                state.index_select(0, rows)
                for state in model.unroll(model.prepare(sequences), sequences, steps)
            ]
        terms = {}
        if config.alpha:
            terms["trajectory"] = self._info_nce(view[-1], other, excluded)
        if config.gamma and steps > 1:
            middle = view[int(torch.randint(steps, (1,)))]
            terms["step"] = self._info_nce(view[-1], middle, excluded)
        return terms

    def _info_nce(self, first: Tensor, second: Tensor, excluded: Tensor | None) -> Tensor:
        config = self.model.config
        return symmetric_info_nce(first, second, config.similarity, config.temperature, excluded)
