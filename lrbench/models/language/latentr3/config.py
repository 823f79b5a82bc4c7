"""Options of LatentR³."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lrbench.models.language.config import LanguageConfig

__all__ = ["LatentR3Config"]


class LatentR3Config(LanguageConfig):
    """Latents and their reinforcement."""

    source = "LatentR³'s code (xuwenxinedu/R3 @c558b44)"

    latents: int = Field(default=1, ge=0)
    """N, latent tokens (code: 1). 0: the answer follows the prompt, as in ``bigrec-beam``."""

    latent: Literal["attention", "constant"] = "attention"
    """What makes a latent: attention over the states before it, or a learned token embedding (the paper's
    ablation without the attention)."""

    reach: int | None = Field(default=None, ge=1)
    """How many of the latest states a latent is made of. Not set: all (the code's end_k of −1)."""

    group: int = Field(default=8, ge=2)
    """G, versions of a row's latent in reinforcement. The first has no noise (code: 8)."""

    noise: float = Field(default=1.5, gt=0)
    """σ of the noise on each number of the others (code: 1.5)."""

    advantage: Literal["baseline", "group"] = "baseline"
    """``baseline``: rewards minus the mean reward of the latents without noise of ``baseline_prompts``
    prompts, over the norm of all (code). ``group``: rewards minus their mean over the group, over their
    standard deviation (the paper's ablation)."""

    baseline_prompts: int = Field(default=2, ge=1)
    """Prompts whose rewards share a baseline and a norm (code: 2, one on each of two GPUs)."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse reinforcement without latents, and a missing base model."""
        super().check_against_protocol(max_length, stages)
        if self.latents == 0 and "grpo" in stages:
            raise ValueError(
                "stage grpo trains latents, and latents = 0 leaves none; set stages to sft alone"
            )
