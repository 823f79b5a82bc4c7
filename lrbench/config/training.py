"""How models are trained. The defaults are the same for all, so that no row wins by its budget."""

from typing import Any, Literal

from pydantic import Field

from lrbench.bounds import MOST_BATCH_TARGETS, MOST_EPOCHS, MOST_WARMUP_STEPS
from lrbench.config.base import FrozenConfig

__all__ = ["LongSequences", "TrainingConfig", "TrainingRows"]

TrainingRows = Literal["positions", "prefixes"]

LongSequences = Literal["windowed", "exact", "latest"]


class TrainingConfig(FrozenConfig):
    """Settings of one training stage."""

    max_epochs: int = Field(default=300, ge=1, le=MOST_EPOCHS)
    """Most epochs of a stage. A stage that reaches it is flagged as still improving."""

    patience: int = Field(default=10, ge=1, le=MOST_EPOCHS)
    """Stop after this many validations without a better selection metric."""

    validate_every: int = Field(default=1, ge=1, le=MOST_EPOCHS)
    """Epochs between two validations."""

    batch_size: int = Field(default=1024, ge=1, le=MOST_BATCH_TARGETS)
    """Targets (predicted positions) of one optimiser step."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Learning rate of the optimiser. If it changes over time, this is the largest one."""

    warmup_steps: int = Field(default=0, ge=0, le=MOST_WARMUP_STEPS)
    """Steps in which the learning rate rises from 0, linearly."""

    decay: Literal["none", "linear", "cosine"] = "none"
    """How the learning rate falls after the warm-up: not at all, linearly, or along half a cosine. It would
    reach 0 after ``max_epochs``; a stage may end earlier."""

    optimiser: Literal["adam", "adamw"] = "adam"
    """Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019)."""

    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the optimiser's running mean of squared gradients (SASRec's authors and RecTools: 0.98). With
    a lower value, items that are rarely targets move further."""

    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty of Adam, decoupled decay of AdamW."""

    gradient_clip: float | None = Field(default=None, gt=0)
    """Largest norm of the whole gradient. Not set: no clipping."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Type of matrix products in training; float32 is the reference. With bfloat16 the scores of all items
    have that type, which takes less than half the time on CPUs with instructions for it. On accelerators the
    network's own products have it, too (autocast). Weights, sums and ranking stay float32."""

    graph: bool = False
    """Whether steps are recorded as CUDA graphs and replayed, so that they do not wait for the host. That
    needs a GPU and a stage that can be recorded. Batches are then filled up to a few shapes. The filling has
    no weight in any loss."""

    rows: TrainingRows | None = None
    """Training rows: ``positions`` trains on every position of a sequence in one pass, ``prefixes`` on each
    prefix by itself. Not set: positions if the network is causal, otherwise prefixes. Prefixes cost many
    times as much and give a causal network the same loss."""

    long_sequences: LongSequences = "windowed"
    """Training sequences longer than the protocol's maximum. ``windowed``: overlapping windows, in which each
    target is predicted once from at least half the maximum length. ``exact``: one window per target beyond
    the maximum. ``latest``: only the latest interactions, as in much published code; other targets are left
    out."""

    @property
    def identity(self) -> dict[str, Any]:
        """The options that shape results.

        Options that later versions added are left out at their defaults, so that ids stay.
        """
        later = {"warmup_steps": 0, "decay": "none", "graph": False}
        unused = {name for name, usual in later.items() if getattr(self, name) == usual}
        return self.model_dump(mode="json", exclude=unused)
