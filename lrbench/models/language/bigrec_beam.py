"""BIGRec as LatentR³, D3 and MiniOneRec report it: fine-tuning on titles and a beam search among them.

A language model is fine-tuned on prompts of titles. At inference a beam search finds titles of the catalogue.
LatentR³, D3 and MiniOneRec call this BIGRec. The original BIGRec (arXiv 2308.08434) generates freely and
grounds the result. That is ``bigrec-ground``.
"""

from typing import ClassVar

from lrbench.models.base import AuthorsTraining
from lrbench.models.language.config import LanguageConfig
from lrbench.models.language.fine_tuning import FineTuning
from lrbench.models.language.recommender import LanguageRecommender

__all__ = ["SFT_DEFAULTS", "BigRecBeam"]

SFT_DEFAULTS = {
    "learning_rate": 3e-4,
    "warmup_steps": 20,
    "decay": "linear",
    "optimiser": "adamw",
    "gradient_clip": 1.0,
    "batch_size": 128,
    "max_epochs": 3,
    "patience": 1,
}
"""Training settings of fine-tuning in LatentR³'s code."""


class BigRecBeam(LanguageRecommender[LanguageConfig]):
    """A fine-tuned language model that answers with a title of the catalogue."""

    Config = LanguageConfig
    summary = "Language model fine-tuned on titles, with beam search (BIGRec as in arXiv 2505.19092)."
    authors_training = AuthorsTraining(
        note="Stage sft has them by default. The authors choose the epoch by the validation loss, lrbench by "
        "the protocol's metric.",
    )
    stages: ClassVar = {"sft": FineTuning}
    default_stages = ("sft",)
    stage_defaults: ClassVar = {"sft": SFT_DEFAULTS}
