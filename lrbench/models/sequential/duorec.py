"""DuoRec: SASRec whose states agree between dropout passes and between rows of the same target.

The network is SASRec's. The loss is cross-entropy plus λ times NT-Xent between two views of a target's
history. The views of all other targets of the batch are negatives. A view is another dropout pass of the same
history (unsupervised), or the history of another training row with the same target (supervised). The default
of the authors' code, ``us_x``, contrasts an unsupervised view with a supervised one (Qiu et al., WSDM 2022;
RuihongQiu/DuoRec @4ebc30d). There is no padding item, so none takes part in the softmax.

The authors' batches are shuffled prefixes. Here every position of a training sequence is a target in one
pass. By default a user's other targets in the batch are no negatives. Recall@10 on Beauty:

  batches                                runs  Recall@10
  lrbench's                              3     0.080 to 0.082
  the authors' (256 prefixes as rows)    1     0.085
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.data.same_target import AlignedRows, SameTarget, aligned_targets
from lrbench.data.transfer import on_device
from lrbench.models.base import AuthorsTraining, GradientStage, Terms
from lrbench.models.sequential.sasrec import SASRec, SASRecConfig
from lrbench.objectives.alignment import Similarity, nt_xent

__all__ = ["DuoRec", "DuoRecConfig"]


class DuoRecConfig(SASRecConfig):
    """Sizes of SASRec and the contrast."""

    source = "DuoRec's code (RuihongQiu/DuoRec @4ebc30d)"

    contrast: Literal["us_x", "un", "su", "us"] = "us_x"
    """Pairs of views. ``us_x``: a dropout pass and the same target (code). ``un``: the main pass and a
    dropout pass. ``su``: the main pass and the same target. ``us``: both ``un`` and ``su``."""

    unsupervised_weight: float = Field(default=0.1, ge=0)
    """λ of the contrast with a dropout pass, in ``un`` and ``us`` (code: 0.1)."""

    supervised_weight: float = Field(default=0.1, ge=0)
    """λ of the contrast with the same target, in ``us_x``, ``su`` and ``us`` (code: 0.1)."""

    similarity: Similarity = "dot"
    """Similarity in the contrast: dot product or cosine (code: dot)."""

    contrast_temperature: float = Field(default=1.0, gt=0)
    """τ, temperature of the contrast (code: 1)."""

    alignment_rows: AlignedRows = "target"
    """Targets that are contrasted. ``target``: every target of the batch (code); each one's supervised view
    is encoded as a row of its own. ``sequence``: one target per sequence, drawn uniformly, which costs about
    as much as the batch itself."""

    same_sequence_negatives: bool = False
    """Whether targets of the same user are negatives of each other (code: true). The authors' batches hardly
    ever hold two targets of a user. Here a user's targets share a batch, so false is lrbench's choice."""

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse the weight of a contrast that is not made.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if self.contrast in ("us_x", "su"):
            self.refuse_changed(
                ("unsupervised_weight",),
                f'contrast = "{self.contrast}" has none of that kind',
                'set contrast to "un" or "us"',
            )
        if self.contrast == "un":
            self.refuse_changed(
                ("supervised_weight",),
                'contrast = "un" has none of that kind',
                'set contrast to "us_x", "su" or "us"',
            )


class Contrastive(GradientStage):
    """Cross-entropy at all positions, and NT-Xent between views."""

    model: "DuoRec"
    _data: TrainingData
    _same_target: SameTarget

    def begin(self, data: TrainingData, device: object) -> None:
        """Index the training targets by item."""
        self._data = data
        self._same_target = SameTarget(data.target_items)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss`` and its terms."""
        model, config = self.model, self.model.config
        states = model.target_states(batch)  # (targets, width)
        terms = {"cross_entropy": model.target_loss(states, batch.targets)}
        loss = terms["cross_entropy"]
        aligned = aligned_targets(batch, config.alignment_rows)
        target_ids, chosen = batch.target_ids[aligned], on_device(aligned, states.device)
        main, excluded = states[chosen], self._excluded(target_ids, states.device)
        again = same = main
        if config.contrast != "su":
            again = model.token_states(batch.sequences)[batch.rows[chosen]]
        if config.contrast != "un":
            other = self._data.prefixes(self._same_target.draw(target_ids), states.device)
            same = model.last_states(other)
        if config.contrast in ("un", "us"):
            terms["unsupervised"] = self._contrast(main, again, excluded)
            loss = loss + config.unsupervised_weight * terms["unsupervised"]
        if config.contrast in ("su", "us", "us_x"):
            view = again if config.contrast == "us_x" else main
            terms["supervised"] = self._contrast(view, same, excluded)
            loss = loss + config.supervised_weight * terms["supervised"]
        return {"loss": loss, **terms}

    def _excluded(self, target_ids: NDArray[np.int64], device: torch.device) -> Tensor | None:
        """Which pairs of targets are no negatives, (targets, targets); ``None``: all pairs are."""
        if self.model.config.same_sequence_negatives:
            return None
        return self._data.same_user(target_ids, device)

    def _contrast(self, first: Tensor, second: Tensor, excluded: Tensor | None) -> Tensor:
        config = self.model.config
        return nt_xent(first, second, config.similarity, config.contrast_temperature, excluded)


class DuoRec(SASRec):
    """SASRec with a contrastive loss between dropout and same-target views."""

    Config = DuoRecConfig
    summary = "DuoRec: SASRec with contrast between dropout and same-target views (Qiu et al. 2022)."
    authors_training = AuthorsTraining({"batch_size": 256, "rows": "prefixes", "max_epochs": 50})
    stages: ClassVar = {"supervised": Contrastive}
    config: DuoRecConfig
