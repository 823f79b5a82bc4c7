"""A reinforced latent token on a trained SASRec: the analogue of LatentR³ for item ids (arXiv 2505.19092).

In LatentR³ a language model writes one latent token before it answers. A single attention makes that token
from the model's own states. Reinforcement then rewards latent tokens that make the target likelier. Here
SASRec replaces the language model.

Rewards of a whole batch share a baseline and a norm here. In the code those of two rows do, one on each of
two GPUs.
"""

from typing import ClassVar

from lrbench.models.base import AuthorsTraining
from lrbench.models.latent.latent_rl.network import LatentRLNetwork
from lrbench.models.latent.latent_rl.stages import LatentReinforcement, LatentTuning, SASRecAlone

__all__ = ["LatentRL"]


class LatentRL(LatentRLNetwork):
    """SASRec with a latent token, trained in three stages."""

    summary = "Reinforced latent token on a frozen SASRec, after LatentR³ for LLMs (arXiv 2505.19092)."
    authors_training = AuthorsTraining(
        note="They are for a language model. Stage sft: AdamW with warm-up, a learning rate of 0.0003, "
        "batches of 128, at most 3 epochs and a patience of 1. Stage grpo: one epoch with batches of 256, "
        "warm-up, cosine decay and a learning rate between 0.00001 and 0.0005.",
    )
    stages: ClassVar = {"supervised": SASRecAlone, "sft": LatentTuning, "grpo": LatentReinforcement}
    default_stages = ("supervised", "sft", "grpo")
    stage_defaults: ClassVar = {"grpo": {"learning_rate": 1e-4}}
