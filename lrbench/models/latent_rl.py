"""The registered model of a reinforced latent token: its network with its stages."""

from typing import ClassVar

from lrbench.models.latent_rl_network import LatentRLNetwork
from lrbench.models.latent_rl_stages import Backbone, FineTuning, Reinforcement

__all__ = ["LatentRL"]


class LatentRL(LatentRLNetwork):
    """SASRec with a latent token, trained in three stages."""

    summary = "Reinforced latent token on a frozen SASRec, as LatentR³ has it for LLMs (arXiv 2505.19092)."
    stages: ClassVar = {"supervised": Backbone, "sft": FineTuning, "grpo": Reinforcement}
    default_stages = ("supervised", "sft", "grpo")
    stage_defaults: ClassVar = {"grpo": {"learning_rate": 1e-4}}
