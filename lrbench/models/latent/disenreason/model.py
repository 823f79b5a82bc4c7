"""DisenReason: latent users of a shared account (arXiv 2603.03782).

An unknown number of people use an account. The method has two stages. *Disentanglement*: the history's
spectrum (its Fourier transform along positions) is cut into bands. They are pooled and fused into one vector,
the pivot. *Reasoning*: the pivot z attends to the history, which gives a latent user. It is subtracted from
z, and the rest gives the next one. This ends when two consecutive latent users are too similar. All latent
users together rank the next item.

These steps are from a digest of the paper. Its equations and settings are not known. There is no public code.
This is lrbench's reading, with the open choices as options. On accounts of one person the method should gain
nothing over its controls. If it does, it encodes several interests, not several users.
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

_ROWS = 128  # rows whose scores by all latent users are in memory at once


class Disentangling(GradientStage):
    """Cross-entropy of the joint ranking of the latent users."""

    model: DisenReasonNetwork

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss``, ``cross_entropy`` and ``users``, the mean number of latent users that count."""
        model, number, sequences = self.model, self.model.config.users, batch.sequences
        everywhere = not batch.ends_sequences
        rows = batch.rows if everywhere else sequences.sequence_of[batch.rows]
        last, users = model.last_and_users(sequences, number, everywhere)
        last, users = last.index_select(0, rows), users.index_select(1, rows)
        if not number:
            loss = cross_entropy(last, model.item_vectors(), batch.targets, model.score_dtype)
            return {"loss": loss, "cross_entropy": loss}
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
        """Return the cross-entropy if the score of an item is its best over the latent users.

        Scores of all items with all latent users are computed for some rows at a time. The backward pass
        recomputes them.
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
    """Latent users from bands, a pivot and residual reasoning."""

    summary = "DisenReason: latent users of a shared account (arXiv 2603.03782; no public code)."
    authors_training = AuthorsTraining(note="They are not known; the defaults are used instead.")
    stages: ClassVar = {"supervised": Disentangling}
    default_stages = ("supervised",)
