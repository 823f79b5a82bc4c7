"""CL4SRec: SASRec whose states agree between two augmented views of a history (Xie et al., ICDE 2022).

The loss is cross-entropy at all positions plus λ times NT-Xent between two views of each training sequence.
Each view is cropped, masked or reordered. Its negatives are the views of all other sequences of the batch.

The authors published no code. Shares, temperature and λ are those of the re-implementation in DuoRec's code
(RuihongQiu/DuoRec @73eff25). That code augments every prefix. The paper and lrbench augment every user's
sequence. There is no padding item. The mask token is never recommended.
"""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from lrbench.data.batches import TrainingBatch
from lrbench.models.base import AuthorsTraining, GradientStage, Terms
from lrbench.models.next_item import at_temperature
from lrbench.models.sequential.augmentation import Augmentation, two_views
from lrbench.models.sequential.sasrec import SASRec, SASRecConfig
from lrbench.objectives.alignment import Similarity, nt_xent

__all__ = ["CL4SRec", "CL4SRecConfig"]


class CL4SRecConfig(SASRecConfig):
    """Sizes of SASRec, the augmentations and the contrast."""

    source = "CL4SRec in DuoRec's code (RuihongQiu/DuoRec @73eff25), as its own authors published none"

    crop: float = Field(default=0.6, gt=0, le=1)
    """η: share of a history that cropping keeps (DuoRec's code: 0.6)."""

    mask: float = Field(default=0.3, ge=0, le=1)
    """γ: share of a history that masking hides (DuoRec's code: 0.3)."""

    reorder: float = Field(default=0.6, ge=0, le=1)
    """β: share of a history that reordering shuffles (DuoRec's code: 0.6)."""

    contrast_weight: float = Field(default=0.1, ge=0)
    """λ, weight of the contrast in the loss (paper, DuoRec's code: 0.1)."""

    contrast_temperature: float = Field(default=1.0, gt=0)
    """τ, temperature of the contrast (DuoRec's code: 1)."""

    similarity: Similarity = "dot"
    """Similarity in the contrast: dot product or cosine (DuoRec's code: dot)."""


class AugmentedContrast(GradientStage):
    """Loss of the next item at every target, and NT-Xent between two views of every sequence."""

    model: "CL4SRec"

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss`` and its terms."""
        model, config = self.model, self.model.config
        states = model.target_states(batch)  # (targets, width)
        prediction = model.target_loss(states, batch.targets)
        augmentation = Augmentation(config.crop, config.mask, config.reorder, model.n_items)
        first, second = (
            model.last_states(view) for view in two_views(batch.sequences, augmentation)
        )  # (sequences, width) each
        contrast = nt_xent(first, second, config.similarity, config.contrast_temperature)
        loss = prediction + config.contrast_weight * contrast
        return {"loss": loss, "prediction": prediction, "contrast": contrast}


class CL4SRec(SASRec):
    """SASRec with a contrastive loss between augmented views."""

    Config = CL4SRecConfig
    summary = "CL4SRec: SASRec with contrast between cropped, masked and reordered views (Xie et al. 2022)."
    authors_training = AuthorsTraining(
        {"batch_size": 256, "rows": "prefixes", "max_epochs": 50}, whose="DuoRec's code"
    )
    stages: ClassVar = {"supervised": AugmentedContrast}
    further_items = 1  # the mask token
    config: CL4SRecConfig

    def item_vectors(self) -> Tensor:
        """The item embeddings without the mask token, divided by the temperature, (items, width)."""
        return at_temperature(self.embedding.items.vectors[: self.n_items], self.config.temperature)
