"""Options of LARES."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lrbench.data.same_target import AlignedRows
from lrbench.models.latent.lares.backbones import BlockConfig, backbone_is_causal
from lrbench.models.latent.lares.step_samplers import StepSampler
from lrbench.objectives.alignment import Similarity
from lrbench.objectives.policy import Reward

__all__ = ["Adapter", "LARESConfig"]

Adapter = Literal["add", "concat", "linear"]
Start = Literal["normal", "normal_zero", "zero"]


class LARESConfig(BlockConfig):
    """Sizes, noise, and the objectives of both stages."""

    source = BlockConfig.source

    pre_layers: int = Field(default=2, ge=0)
    """Transformer blocks that run once (run_sl.sh: 2; YAML: 1)."""

    core_layers: int = Field(default=2, ge=1)
    """Transformer blocks of one reasoning step (run_sl.sh: 2; YAML: 1)."""

    mean_depth: int = Field(default=4, ge=0)
    """Number of steps at inference, and the scale of the number that ``step_sampler`` draws in training
    (run_sl.sh: 4). 0: the pre-block alone."""

    step_sampler: StepSampler = "poisson-lognormal"
    """How the number of steps of a training pass is drawn, with m = ``mean_depth``. ``poisson-lognormal``:
    min(Poisson(λ) + 1, 3·m), where λ is log-normal with mean m; about m + 1 on average. ``uniform``: 1 to
    2·m. ``poisson-unbounded``: Poisson(m). ``poisson-bounded``: the same, at most 2·m. ``constant``: m. A
    draw of 0 counts as 1."""

    adapter: Adapter = "add"
    """How a step joins the previous state and the pre-block's output. ``add``: their mean. ``concat``: a
    linear map of both. ``linear``: a mean weighted by one learned scalar."""

    start: Start = "normal"
    """Initial latent state. ``normal``: noise. ``normal_zero``: noise in training, zeros at inference.
    ``zero``: zeros."""

    noise_std: float = Field(default=1.0, gt=0)
    """Standard deviation of the noise, before it is cut at three standard deviations."""

    noise_scale: float = Field(default=3.0, ge=0)
    """ω, factor on the noise."""

    padding: Literal["absent", "tokens"] = "absent"
    """``absent``: histories are not padded (lrbench's choice). ``tokens``: every history is padded on the
    right to the maximum length with a learned token. As in the source, filters mix that token into the states
    of items, and the softmax includes it. Only the backbones ``fmlp`` and ``bsarec`` take ``tokens``."""

    similarity: Similarity = "dot"
    """``cos`` normalises states and items and divides by the temperature, in scores and alignment terms
    (run_sl.sh: dot; YAML: cos). The loss of stage rpt uses the dot product in both cases, as the source
    does."""

    temperature: float = Field(default=1.0, gt=0)
    """τ of the alignment terms. It also divides the scores if the similarity is ``cos`` (run_sl.sh: 1; YAML:
    0.07)."""

    alpha: float = Field(default=0.1, ge=0)
    """Weight of trajectory-level alignment in pre-training (run_sl.sh: 0.1). 0 leaves the term out."""

    gamma: float = Field(default=0.5, ge=0)
    """Weight of step-level alignment in pre-training (run_sl.sh: 0.5; YAML: 0.1). 0 leaves the term out."""

    alignment_rows: AlignedRows = "target"
    """Targets that get alignment terms. ``target``: every target of the batch, as in the source. For each, a
    second history with the same target is encoded as a row of its own. On Beauty that is about seven times
    the tokens. ``sequence``: one target per sequence, drawn uniformly, which costs about as much as the batch
    itself."""

    same_sequence_negatives: bool = False
    """Whether targets of the same user are negatives of each other in alignment terms. The authors shuffle
    prefixes, so a batch of theirs rarely holds two rows of one user. Here all targets of a user share a
    batch. Therefore lrbench's choice is false."""

    rollouts: int = Field(default=4, ge=2)
    """G, rollouts per row in reinforcement (run_rl.sh: 4; YAML: 8)."""

    beta: float = Field(default=1.0, ge=0)
    """Weight of the divergence from the reference in reinforcement (run_rl.sh: 1; YAML: 0.1)."""

    reinforcement_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout rate of the policy in reinforcement (run_rl.sh: 0.1)."""

    reward: Reward = "recall"
    """Reward of a rollout, from the target's rank after its last step (run_rl.sh: Recall). ``recall``: 1
    within ``reward_cutoff``. ``ndcg``: 1 / log2(rank + 1) within it. Otherwise 0."""

    reward_cutoff: int = Field(default=10, ge=1)
    """The last rank that earns a reward (run_rl.sh: 10)."""

    filter_cutoff: int = Field(default=100, ge=1)
    """Reinforcement trains only on targets that the pre-trained network ranks within this cutoff in at least
    one of ``filter_passes`` passes (filter_data.py: 100)."""

    filter_passes: int = Field(default=3, ge=1)
    """Passes over the training rows that choose the targets of reinforcement. Each draws its own initial
    noise (filter_data.py: 3)."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse blocks that cannot be built, reinforcement without steps, and padding that no filter sees.

        Raises:
            ValueError: which options clash.
        """
        super().check_against_protocol(max_length, stages)
        if self.mean_depth == 0 and "rpt" in stages:
            raise ValueError(
                "stage rpt reinforces reasoning steps, and mean_depth = 0 leaves none; set it to 1 or more"
            )
        if self.padding == "tokens" and backbone_is_causal(self.backbone):
            raise ValueError(
                'padding = "tokens" is for the filters of the backbones "fmlp" and "bsarec", '
                f'and backbone = "{self.backbone}" has none; set padding = "absent"'
            )

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse options of noise that is not drawn.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if self.start == "zero":
            self.refuse_changed(
                ("noise_std", "noise_scale"),
                'start = "zero" draws no noise',
                'set start to "normal" or "normal_zero"',
            )
