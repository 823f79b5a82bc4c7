"""What encoders are made of: maps of tokens to tokens that can be asked for the last ones alone."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from lrbench.data.packing import Packed

__all__ = ["Layer"]


class Layer(nn.Module, ABC):
    """Takes the tokens of packed sequences to as many tokens."""

    @abstractmethod
    def forward(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """(tokens, width) → (tokens, width)."""

    def last(self, hidden: Tensor, sequences: Packed) -> Tensor:
        """What :meth:`forward` gives at the last token of each sequence, (sequences, width).

        Ranking, and training where every prefix is a row, need no more of the last block; subclasses
        save what that leaves out.
        """
        return self(hidden, sequences).index_select(0, sequences.last)
