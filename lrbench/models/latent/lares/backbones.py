"""The kinds of blocks that LARES can use, with the default sizes of its authors' code."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lrbench.models.layers.attention import Attention
from lrbench.models.layers.blocks import Encoder, transformer
from lrbench.models.layers.frequency_filters import PaddedAttention, bsarec_blocks, check_cutoff, fmlp_blocks
from lrbench.models.layers.hstu_block import HSTUBlock
from lrbench.models.layers.sizes import AttentionSizes

__all__ = ["Backbone", "BlockConfig", "backbone_is_causal", "make_backbone"]

Backbone = Literal["attention", "fmlp", "bsarec", "hstu"]


class BlockConfig(AttentionSizes):
    """Kind and sizes of the blocks."""

    source = "LARES's run scripts, or its YAML files where they are silent (BishopLiu/LARES @b09245d)"

    backbone: Backbone = "attention"
    """Kind of the blocks: self-attention, FMLP's filters, BSARec's mixture of both, or HSTU's gated
    attention. ``fmlp`` and ``bsarec`` are not causal. With them every prefix is a training row, which costs
    several times as much."""

    frequency_cutoff: int = Field(default=3, ge=1)
    """c of BSARec blocks: the lowest c//2 + 1 frequencies pass unchanged (code: 3)."""

    frequency_share: float = Field(default=0.7, ge=0, le=1)
    """α of BSARec blocks: the weight of the frequency branch. Attention has 1 − α (code: 0.7)."""

    heads: int = Field(default=2, ge=1)
    """Attention heads. They must divide the width."""

    width: int = Field(default=64, ge=1)
    """Length of item embeddings and states."""

    inner_width: int = Field(default=256, ge=1)
    """Width between the two layers of the feed-forward parts. FMLP blocks use 4 · width instead. HSTU blocks
    have no feed-forward part."""

    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate on the input, on attention weights, and on what each half of a block adds. HSTU blocks
    apply it before their output projection alone."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse heads that do not divide the width, and a cutoff that leaves BSARec no high frequency.

        Raises:
            ValueError: the option and its limit.
        """
        super().check_against_protocol(max_length, stages)
        if self.backbone == "bsarec":
            check_cutoff("frequency_cutoff", self.frequency_cutoff, max_length)

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse options of blocks of another kind.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if self.backbone != "bsarec":
            self.refuse_changed(
                ("frequency_cutoff", "frequency_share"),
                f'backbone = "{self.backbone}" has no mixture of frequencies and attention',
                'set backbone = "bsarec"',
            )
        if self.backbone in ("fmlp", "hstu"):
            self.refuse_changed(
                ("inner_width",),
                f'backbone = "{self.backbone}" sets its own sizes',
                'set backbone to "attention" or "bsarec"',
            )


def backbone_is_causal(backbone: Backbone) -> bool:
    """Whether the state of an item depends on no later item. With filters it does."""
    return backbone not in ("fmlp", "bsarec")


def make_backbone(sizes: BlockConfig, n_blocks: int, max_length: int, padding_item: int | None) -> Encoder:
    """Stack blocks of the chosen kind.

    Args:
        sizes: which kind, and how large.
        n_blocks: how many.
        max_length: positions that filters span; also the divisor of HSTU's attention.
        padding_item: number of the padding token, which attention then masks; ``None``: there is none.
    """
    width, heads, dropout = sizes.width, sizes.heads, sizes.dropout

    def attention() -> Attention:
        if padding_item is None:
            return Attention(width, heads, dropout)
        return PaddedAttention(width, heads, dropout, padding_item)

    match sizes.backbone:
        case "attention":
            return transformer(n_blocks, width, heads, sizes.inner_width, dropout, dropout)
        case "fmlp":
            return fmlp_blocks(n_blocks, width, max_length, dropout)
        case "bsarec":
            return bsarec_blocks(
                n_blocks,
                width,
                sizes.inner_width,
                max_length,
                dropout,
                attention,
                sizes.frequency_cutoff,
                sizes.frequency_share,
            )
        case "hstu":
            return Encoder(lambda: HSTUBlock(width, heads, max_length, dropout, time_bias=False), n_blocks)
