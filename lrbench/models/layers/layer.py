"""The base class of encoder layers. A layer maps tokens to tokens, or computes the last tokens alone."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from lrbench.data.packing import Packed

__all__ = ["Layer"]


class Layer(nn.Module, ABC):
    """Maps the tokens of packed sequences to as many tokens."""

    @abstractmethod
    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """Output of :meth:`forward` at the last token of each sequence, (sequences, width).

        Ranking reads no other outputs of the last block. Training reads no others if every prefix is a row.
        Subclasses override this method where that saves work.
        """
        return self(hidden, sequences).index_select(0, sequences.last)
