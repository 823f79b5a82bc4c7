"""DisenReason: latent users of a shared account (arXiv 2603.03782).

An account is used by an unknown number of people. *Disentanglement*: bands of the history's spectrum are
pooled and fused into one pivot. *Reasoning*: the pivot attends to the history and gives a latent user; the
user is subtracted, and the rest gives the next one, until two in a row are too alike. The latent users
together rank the next item.

The paper's digest gives these steps; its equations and settings are not known, and there is no public code.
What is built here is lrbench's reading, with the open choices as options. On accounts of one person the
method should gain nothing over its controls: otherwise it is an encoder of several interests.
"""

from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lrbench.data.batches import TrainingBatch
from lrbench.models.base import AuthorsTraining, GradientStage, Terms
from lrbench.models.latent.disenreason.network import DisenReasonNetwork
from lrbench.models.layers.activation_checkpoint import recomputed
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.objectives.log_probability import target_log_probabilities

__all__ = ["DisenReason", "Disentangling"]

_ROWS = 128  # whose scores by all latent users are held at once


class Disentangling(GradientStage):
    """Cross-entropy of what the latent users rank together."""

    model: DisenReasonNetwork

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss``, and for the record ``users``, the mean number that counts."""
        model, config = self.model, self.model.config
        sequences, items = batch.sequences, self.model.item_vectors()
        encoded, last = model.encoded(sequences)
        if not config.users:
            states = encoded.chunk(2, -1)[1].index_select(0, batch.rows)
            loss = cross_entropy(states, items, batch.targets, model.score_dtype)
            return {"loss": loss, "cross_entropy": loss}
        rows = sequences.sequence_of[batch.rows]
        last = last.index_select(0, rows)
        users = model.latent_users(encoded, sequences, config.users).index_select(1, rows)
        counted = model.counted(users)
        loss = self._loss(last, users, counted, batch.targets)
        return {"loss": loss, "cross_entropy": loss, "users": counted.sum(0).to(loss.dtype).mean()}

    def _loss(self, last: Tensor, users: Tensor, counted: Tensor, targets: Tensor) -> Tensor:
        model, items = self.model, self.model.item_vectors()
        match model.config.fusion:
            case "gate":
                return cross_entropy(model.fused(last, users, counted), items, targets, model.score_dtype)
            case "mixture":
                number = len(users)
                repeated = targets.repeat(number)
                logs = target_log_probabilities(users.flatten(0, 1), items, repeated, model.score_dtype)
                shares = model.weights(last, users, counted)
                return -(logs.view(number, -1) + shares).logsumexp(0).mean()
            case _:
                return self._loss_of_best(users, counted, targets)

    def _loss_of_best(self, users: Tensor, counted: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy where an item's score is the best that a latent user gives it.

        Scores of all items by all latent users are computed for some rows at a time, and again in the
        backward pass.
        """
        losses = []
        for start in range(0, len(targets), _ROWS):
            rows = slice(start, start + _ROWS)
            function = partial(self._losses_of_rows, counted=counted[:, rows], targets=targets[rows])
            losses.append(recomputed(function, self.model.embedding, users[:, rows]))
        return torch.cat(losses).mean()

    def _losses_of_rows(self, users: Tensor, counted: Tensor, targets: Tensor) -> Tensor:
        scores = users @ self.model.item_vectors().T  # (users, rows, items)
        best = scores.masked_fill(~counted.unsqueeze(-1), -torch.inf).amax(0)
        return F.cross_entropy(best, targets, reduction="none")


class DisenReason(DisenReasonNetwork):
    """Latent users by bands, a pivot and residual reasoning."""

    summary = "DisenReason: latent users of a shared account (arXiv 2603.03782; no public code)."
    authors_training = AuthorsTraining(note="Its paper's settings are not known.")
    stages: ClassVar = {"supervised": Disentangling}
    default_stages = ("supervised",)
