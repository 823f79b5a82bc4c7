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
    """What makes a latent. ``attention``: attention over the states before it. ``constant``: a learned token
    embedding, the same for every history (the paper's ablation without the attention)."""

    reach: int | None = Field(default=None, ge=1)
    """How many of the latest states the attention reads. Not set: all (code: all, ``end_k`` = −1)."""

    group: int = Field(default=8, ge=2)
    """G, versions of a prompt's latent in reinforcement. The first version has no noise (code: 8)."""

    noise: float = Field(default=1.5, gt=0)
    """σ of the noise on each channel of the other versions (code: 1.5)."""

    advantage: Literal["baseline", "group"] = "baseline"
    """The advantage of a version. ``baseline``: its reward minus the mean reward without noise, divided by
    the norm of all these differences; both are over ``baseline_prompts`` prompts (code). ``group``: its
    reward minus the mean of its group, divided by the group's standard deviation (the paper's ablation)."""

    baseline_prompts: int = Field(default=2, ge=1)
    """Number of prompts whose rewards share a baseline and a norm (code: 2, one on each of two GPUs)."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse reinforcement without latents, and a missing base model.

        Raises:
            ValueError: what to set, install or download.
        """
        super().check_against_protocol(max_length, stages)
        if self.latents == 0 and "grpo" in stages:
            raise ValueError('stage grpo trains latents, and latents = 0 leaves none. Set stages = ["sft"].')

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse a number of prompts for a baseline that is not used, and a reach without attention.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if self.advantage == "group":
            self.refuse_changed(
                ("baseline_prompts",),
                'advantage = "group" compares the versions of one prompt',
                'set advantage = "baseline"',
            )
        if self.latent == "constant":
            self.refuse_changed(("reach",), 'latent = "constant" reads no states', 'set latent = "attention"')
