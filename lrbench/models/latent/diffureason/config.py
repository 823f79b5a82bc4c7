"""Options of DiffuReason."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lrbench.models.latent.diffureason.denoiser import DenoiserForm
from lrbench.models.latent.rearec.network import ReaRecConfig
from lrbench.models.layers.diffusion import NoiseSchedule

__all__ = ["DiffuReasonConfig"]


class DiffuReasonConfig(ReaRecConfig):
    """Options of DiffuReason: sizes, thinking tokens, diffusion and policy gradient."""

    source = "lrbench's reading of arXiv 2602.09744, which has no public code and states no settings"

    steps: int = Field(default=3, ge=0)
    """K, number of thinking tokens. r_k is the state at the k-th one. 0: the encoder's state r_0 is the
    hypothesis."""

    width: int = Field(default=64, ge=1)
    """Length of item embeddings, states and intents."""

    inner_width: int = Field(default=256, ge=1)
    """Width between the two layers of the feed-forward parts."""

    temperature: float = Field(default=1.0, gt=0)
    """τ. It divides all scores in training and in ranking."""

    condition: Literal["last", "mean"] = "last"
    """The hypothesis c. ``last``: r_K, the last thinking state. ``mean``: the mean of r_0 … r_K."""

    denoiser: DenoiserForm = "concatenated"
    """How the denoiser reads the hypothesis. ``concatenated``: c is part of its input, beside x_t.
    ``modulated``: c sets scale and shift of its norms. ``attention``: it attends to r_0 … r_K. ``history``:
    it attends to these and to the encoder's states of all items."""

    refinement: Literal["diffusion", "deterministic"] = "diffusion"
    """``diffusion``: reverse steps of a diffusion. ``deterministic``, a control: the denoiser runs as many
    times on its own output, beginning with c, without noise."""

    noise_levels: int = Field(default=50, ge=1)
    """T, number of noise levels in training."""

    noise_schedule: NoiseSchedule = "cosine"
    """How the share of signal ᾱ falls with the noise level. ``cosine``: as in Nichol & Dhariwal 2021.
    ``linear``: as in Ho et al. 2020, scaled to T levels. ``truncated_linear``: as in DiffuRec's code."""

    sampler_steps: int = Field(default=5, ge=0)
    """S, calls of the denoiser at inference. 0: there is no denoiser, and the hypothesis is ranked."""

    start: Literal["noise", "hypothesis", "zero"] = "noise"
    """Where the reverse chain starts. ``noise``: at Gaussian noise. ``hypothesis``: at the hypothesis with
    noise of level ``start_level``. ``zero``, a control: at zeros."""

    start_level: float = Field(default=0.5, gt=0, le=1)
    """First noise level with ``start = "hypothesis"``, as a share of T. Sensible values are 0.25 and 0.5."""

    ensemble: int = Field(default=1, ge=1)
    """Number of reverse chains at inference. The mean of their predictions is ranked."""

    guidance: float = Field(default=0.0, ge=0)
    """w, weight of classifier-free guidance at inference. Rollouts have none. 0: no guidance."""

    guidance_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of training rows in which the learned null vector replaces the hypothesis."""

    scores: Literal["dot", "cosine"] = "dot"
    """How items are scored. ``dot``: dot products with item embeddings. ``cosine``: dot products with
    normalised item embeddings, divided by √width. These are cosines if the intent has a root mean square of
    1."""

    hypothesis_weight: float = Field(default=1.0, ge=0)
    """λ_c, weight of the cross-entropy of the hypothesis."""

    cross_entropy_from: Literal["start", "random"] = "start"
    """What the denoiser reads when the cross-entropy of x̂_0 is taken. ``start``: what inference starts from.
    ``random``: the target's embedding at a random noise level. Its low levels show the target. The denoiser
    then learns to copy, and item embeddings and ranking get worse with each epoch."""

    denoising_weight: float = Field(default=0.1, ge=0)
    """λ_d, weight of the mean squared difference between x̂_0 and x_0."""

    policy: Literal["trajectory", "target"] = "trajectory"
    """What the policy gradient acts on. ``trajectory``: the log-densities of the reverse steps. ``target``:
    the log-probability of the target item after the last step."""

    policy_weight: float = Field(default=0.1, ge=0)
    """γ, weight of the policy gradient in stage ``joint``."""

    policy_targets: int = Field(default=256, ge=1)
    """How many targets of a batch get rollouts. Each training step draws them again."""

    rollouts: int = Field(default=8, ge=2)
    """G, rollouts of a target. They form a group."""

    reward: Literal["rank", "ndcg", "recall"] = "rank"
    """Reward of a rollout. ``rank``: 1 / log2(1 + rank) of the target. ``ndcg``: the same within
    ``reward_cutoff``, else 0. ``recall``: 1 within ``reward_cutoff``, else 0."""

    reward_cutoff: int = Field(default=10, ge=1)
    """The last rank that earns a reward with ``ndcg`` and ``recall``."""

    shuffled_advantages: bool = False
    """Whether advantages are permuted among the rollouts of a batch, as a control."""

    @property
    def denoised(self) -> bool:
        """Whether a diffusion refines the hypothesis."""
        return self.sampler_steps > 0 and self.refinement == "diffusion"

    def reinforced(self, stages: Sequence[str]) -> bool:
        """Whether a policy gradient trains one of these stages, if there is a sampler."""
        return "grpo" in stages or ("joint" in stages and self.policy_weight > 0)

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse options of a diffusion that the other options leave out, and of a reward without a cut-off.
        Refuse shuffled advantages where no policy gradient has any.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if self.refinement == "deterministic":
            noise = (
                "noise_schedule",
                "ensemble",
                "guidance_dropout",
                "cross_entropy_from",
                "denoising_weight",
            )
            self.refuse_changed(
                noise if self.start == "hypothesis" else (*noise, "start"),
                'refinement = "deterministic" has no noise',
                'set refinement = "diffusion"',
            )
        if self.start == "zero":
            self.refuse_changed(
                ("ensemble",),
                'all chains from start = "zero" are equal',
                'set start to "noise" or "hypothesis"',
            )
        if self.start != "hypothesis":
            self.refuse_changed(
                ("start_level",), f'start = "{self.start}" begins at level T', 'set start = "hypothesis"'
            )
        if self.reward == "rank":
            self.refuse_changed(
                ("reward_cutoff",),
                'reward = "rank" rewards every rank',
                'set reward to "ndcg" or "recall"',
            )
        if self.shuffled_advantages and not (self.reinforced(stages) and self.sampler_steps):
            raise ValueError(
                "shuffled_advantages has no effect, as no policy gradient is trained. Leave "
                "shuffled_advantages out, or train stage joint or grpo with policy_weight and "
                "sampler_steps above 0."
            )

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse options that act on a part that is absent.

        Raises:
            ValueError: the options and what to set instead.
        """
        super().check_against_protocol(max_length, stages)
        if self.sampler_steps > self.noise_levels:
            raise ValueError(
                f"sampler_steps = {self.sampler_steps} needs as many noise levels, and noise_levels = "
                f"{self.noise_levels}. Raise noise_levels."
            )
        if self.guidance and not self.guidance_dropout and self.denoised:
            raise ValueError(
                "guidance needs a null vector that was trained, and guidance_dropout = 0 trains none. "
                "Set guidance_dropout above 0, or guidance = 0."
            )
        reinforced = self.reinforced(stages)
        if reinforced and self.refinement == "deterministic":
            raise ValueError(
                'refinement = "deterministic" has no policy to reinforce. Set policy_weight = 0, or stages = '
                '["supervised"].'
            )
        if "grpo" in stages and not self.sampler_steps:
            raise ValueError(
                "stage grpo reinforces the sampler, and sampler_steps = 0 leaves none. "
                "Set sampler_steps above 0."
            )
        if reinforced and self.policy == "trajectory" and self.sampler_steps == 1:
            raise ValueError(
                'policy = "trajectory" needs a reverse step with noise, and a single sampler step has none. '
                'Set sampler_steps above 1, or policy = "target".'
            )
