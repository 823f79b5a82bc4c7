"""Models whose score of an item is the dot product of a token's state and the item's vector."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext

import torch
from torch import Tensor

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.errors import RequestError
from lrbench.models.base import ConfigT, Model
from lrbench.models.layers.embeddings import ItemEmbedding
from lrbench.models.next_item_loss import LossOptions, next_item_loss
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["NextItemModel", "at_temperature"]


def at_temperature(vectors: Tensor, temperature: float) -> Tensor:
    """Divide by a temperature. A temperature of 1 costs nothing."""
    return vectors if temperature == 1 else vectors / temperature


class NextItemModel(Model[ConfigT]):
    """A model that scores items by ``state · item vector``. Subclasses compute the states and the vectors."""

    @abstractmethod
    def token_states(self, sequences: Packed) -> Tensor:
        """Encode every token, (tokens, width), ready to be multiplied with the item vectors."""

    def last_states(self, sequences: Packed) -> Tensor:
        """Encode each sequence's last token alone, (sequences, width), in the order given to ``pack``.

        Override it if the network has a shorter way than :meth:`token_states`. A class that overrides
        ``token_states`` of a model with such a shortcut must override this too.
        """
        return self._all_states(sequences).index_select(0, sequences.last)

    def target_states(self, batch: TrainingBatch) -> Tensor:
        """Encode the positions that predict the batch's targets, (targets, width)."""
        sequences = batch.sequences
        if batch.ends_sequences:
            states = self.last_states(sequences)
            return states if batch.one_each else states.index_select(0, sequences.sequence_of[batch.rows])
        return self._all_states(sequences).index_select(0, batch.rows)

    def _all_states(self, sequences: Packed) -> Tensor:
        """Return :meth:`token_states`, and refuse another number of states than of tokens.

        Raises:
            RequestError: names the class and both shapes.
        """
        states, tokens = self.token_states(sequences), len(sequences.items)
        if len(states) != tokens:
            raise RequestError(
                f"{type(self).__name__}.token_states returned {tuple(states.shape)} for {tokens} tokens.",
                "It must return a state for each token, (tokens, width).",
            )
        return states

    @abstractmethod
    def item_vectors(self) -> Tensor:
        """Vectors of all items, already divided by the temperature, (items, width)."""

    def target_loss(self, states: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Mean loss of the targets, given the states that predict them.

        It is the loss that the configuration names, or full softmax cross-entropy if it names none.

        Args:
            states: (targets, width).
            targets: (targets,) item numbers.
            weights: (targets,) how much the loss of each target counts. They add up to 1. ``None``: all count
                the same.
        """
        if not isinstance(self.config, LossOptions):
            return cross_entropy(states, self.item_vectors(), targets, self.score_dtype, weights)
        with self.drawn_once() if self.config.shared_negatives else nullcontext():
            return next_item_loss(
                self.config, states, self.item_vectors(), targets, self.score_dtype, weights
            )

    @classmethod
    def network_replayable(cls, config: ConfigT) -> bool:
        """Whether states use only tensors of the batch. See :meth:`GradientStage.replayable`."""
        return False

    @classmethod
    def check_options(cls, config: ConfigT) -> None:
        """Refuse an inherited shortcut to other states, and ``item_dropout`` without a table of items.

        Raises:
            ValueError: which method the class must define.
        """
        full, short = (_owner(cls, name) for name in ("token_states", "last_states"))
        if short is not NextItemModel and full is not short and issubclass(full, short):
            raise ValueError(
                f"{full.__name__} defines token_states and inherits last_states from {short.__name__}, "
                f"which gives other states; define both"
            )
        dropped = isinstance(config, LossOptions) and config.item_dropout > 0
        if dropped and cls.item_table is NextItemModel.item_table:
            raise ValueError(f"item_dropout needs {cls.__name__}.item_table, which it does not have")

    def item_table(self) -> ItemEmbedding:
        """The embedding that holds the item vectors. Only ``item_dropout`` needs it."""
        raise NotImplementedError

    @contextmanager
    def one_step(self) -> Iterator[None]:
        """Apply ``item_dropout``: the same elements of item vectors are 0 in histories and scores."""
        with ExitStack() as step:
            step.enter_context(super().one_step())
            if isinstance(self.config, LossOptions) and self.config.item_dropout:
                with self.drawn_once():
                    step.enter_context(self.item_table().dropping(self.config.item_dropout))
            yield

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        """State at each history's last item, (1, sequences, width)."""
        return self.last_states(sequences).unsqueeze(0)

    def score(self, states: Tensor) -> Tensor:
        """Dot products with all items, (rows, items)."""
        return states @ self.item_vectors().T


def _owner(cls: type, name: str) -> type:
    """The class that defines the method which ``cls`` uses."""
    return next(owner for owner in cls.__mro__ if name in vars(owner))
