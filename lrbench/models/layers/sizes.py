"""Options that networks with attention share: their sizes. The number of heads must divide the width."""

from collections.abc import Sequence

from pydantic import Field

from lrbench.models.base import ModelConfig

__all__ = ["AttentionSizes", "TransformerSizes"]


class AttentionSizes(ModelConfig):
    """Width and attention heads.

    A model whose defaults come from another source declares the field again and names that source.
    """

    source = "the Transformers of RecBole 1.2.1 (SASRec, BERT4Rec)"

    heads: int = Field(default=2, ge=1)
    """Attention heads. They must divide the width (RecBole: 2)."""

    width: int = Field(default=64, ge=1)
    """Length of item embeddings and states (RecBole: 64)."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse heads that do not divide the width.

        Raises:
            ValueError: they do not.
        """
        super().check_against_protocol(max_length, stages)
        if self.width % self.heads:
            raise ValueError(
                f"width = {self.width} is no multiple of heads = {self.heads}; change one of them"
            )


class TransformerSizes(AttentionSizes):
    """Sizes of a stack of Transformer blocks."""

    source = AttentionSizes.source

    layers: int = Field(default=2, ge=1)
    """Transformer blocks (RecBole: 2)."""

    inner_width: int = Field(default=256, ge=1)
    """Width between the two layers of the feed-forward part (RecBole: 256)."""
