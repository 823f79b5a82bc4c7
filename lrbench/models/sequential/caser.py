"""Caser: convolutions over the history as an image of embeddings (Tang & Wang, WSDM 2018).

The network is that of RecBole 1.2.1. Horizontal filters have every height up to the maximum length, and only
the largest activation of each is kept. Vertical filters are weighted sums of the embeddings by position.
Dropout, two linear layers with ReLU and dot products with the item table follow. The loss is full softmax
cross-entropy, plus a penalty on the norms of the weights (not squared).

Filters here cover existing items only. The source instead pads short histories with an extra item, whose
embedding its filters see. Every position of a training sequence is a target in one pass: maxima and sums are
taken over the items up to it. There is no vector per user, since the protocols rank by histories alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lrbench.data.batches import TrainingBatch
from lrbench.data.packing import Packed
from lrbench.data.transfer import on_device
from lrbench.models.base import AuthorsTraining, GradientStage, Model, Terms
from lrbench.models.layers.dropout import Dropout
from lrbench.models.layers.embeddings import ItemEmbedding
from lrbench.models.next_item import NextItemModel, at_temperature
from lrbench.models.next_item_loss import LossOptions

__all__ = ["Caser", "CaserConfig"]


class CaserConfig(LossOptions):
    """Sizes and regularisation."""

    source = "Caser of RecBole 1.2.1"

    width: int = Field(default=64, ge=1)
    """Length of item embeddings and states (RecBole: 64)."""

    horizontal_filters: int = Field(default=8, ge=1)
    """Horizontal filters of each height (RecBole: 8; paper: 16)."""

    vertical_filters: int = Field(default=4, ge=1)
    """Vertical filters, each with a weight per position up to the maximum length (RecBole: 4)."""

    tallest: int | None = Field(default=None, ge=1)
    """Height of the tallest horizontal filter, in items. Not set: the maximum length, as in RecBole. The work
    grows with the cube of the height (the paper's images are at most 9 items high)."""

    dropout: float = Field(default=0.4, ge=0, lt=1)
    """Dropout rate on the outputs of the filters (RecBole: 0.4; paper: 0.5)."""

    penalty: float = Field(default=1e-4, ge=0)
    """Weight of the sum of the weights' norms in the loss (RecBole: 1e-4)."""


class Penalised(GradientStage[CaserConfig]):
    """Loss of the next item at every target, and the penalty."""

    model: "Caser"

    @classmethod
    def allows_data_parallel(cls, config: CaserConfig) -> bool:
        """Yes: the loss is a mean over targets, and the penalty depends on the weights alone."""
        return True

    @classmethod
    def replayable(cls, model: type[Model[CaserConfig]], config: CaserConfig) -> bool:
        """Yes: the losses read tensors alone."""
        return True

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss`` and its terms."""
        states = self.model.target_states(batch)  # (targets, width)
        prediction = self.model.target_loss(states, batch.targets, batch.weights)
        norms = self.model.norms()
        return {
            "loss": prediction + self.model.config.penalty * norms,
            "prediction": prediction,
            "norms": norms,
        }


class Caser(NextItemModel[CaserConfig]):
    """Horizontal and vertical convolutions. The state scores all items by dot product."""

    Config = CaserConfig
    summary = "Caser: convolutions over the history (Tang & Wang 2018; RecBole's form)."
    authors_training = AuthorsTraining({"batch_size": 2048, "rows": "prefixes"}, whose="RecBole")
    stages: ClassVar = {"supervised": Penalised}
    default_stages = ("supervised",)
    _places: Tensor | None = None
    """Index of each horizontal filter's weights among the joined ones. Set by the first join on a device."""

    _joined: Tensor | None = None
    """Joined weights of all horizontal filters during a step, on a device that uses them joined."""

    def __init__(self, config: CaserConfig, n_items: int, max_length: int) -> None:
        super().__init__(config, n_items, max_length)
        width, tallest = config.width, min(config.tallest or max_length, max_length)
        self.items = ItemEmbedding(n_items, width)
        self.horizontal = nn.ModuleList(
            nn.Conv1d(width, config.horizontal_filters, height) for height in range(1, tallest + 1)
        )
        self.vertical = nn.Linear(max_length, config.vertical_filters)  # weights by position, then the bias
        self.dropout = Dropout(config.dropout)
        found = config.vertical_filters * width + config.horizontal_filters * tallest
        self.first = nn.Linear(found, width)
        self.second = nn.Linear(width, width)
        nn.init.normal_(self.items.weight, std=1 / width)
        for linear in (self.first, self.second):
            nn.init.xavier_normal_(linear.weight)
            nn.init.zeros_(linear.bias)

    def token_states(self, sequences: Packed) -> Tensor:
        """State after each token, (tokens, width)."""
        found = sequences.by_group(self.filtered, self.items(sequences.items))
        return F.relu(self.second(F.relu(self.first(self.dropout(found)))))

    def filtered(self, embedded: Tensor) -> Tensor:
        """Outputs of all filters up to each position, (sequences, length, width) → (…, length, outputs)."""
        at_once = embedded.device.type != "cpu"
        horizontal = self._horizontal_at_once(embedded) if at_once else self._horizontal(embedded)
        return torch.cat((self._vertical(embedded), horizontal), -1)

    def norms(self) -> Tensor:
        """Sum of the Frobenius norms of the item table and of all filters and linear weights."""
        weights = [self.items.weight, self.vertical.weight, self.first.weight, self.second.weight]
        if self.items.weight.device.type != "cpu":
            return torch.stack([weight.norm() for weight in weights]).sum() + self._filter_norms_at_once()
        weights += [filter_.weight for filter_ in self._filters()]
        return torch.stack([weight.norm() for weight in weights]).sum()

    @contextmanager
    def one_step(self) -> Iterator[None]:
        """Drop elements of item vectors. Where a step uses the filters' weights joined, join them once."""
        with super().one_step():
            self._joined = None if self.items.weight.device.type == "cpu" else self._join()
            try:
                yield
            finally:
                self._joined = None

    def item_table(self) -> ItemEmbedding:
        """The item embedding."""
        return self.items

    def item_vectors(self) -> Tensor:
        """The item embeddings divided by the temperature, (items, width)."""
        return at_temperature(self.items.vectors, self.config.temperature)

    def _filters(self) -> list[nn.Conv1d]:
        return [filter_ for filter_ in self.horizontal if isinstance(filter_, nn.Conv1d)]

    def _vertical(self, embedded: Tensor) -> Tensor:
        """Weighted sums of the embeddings so far, filter by filter, (sequences, length, filters · width)."""
        weights = self.vertical.weight[:, : embedded.shape[1]].T  # (length, filters)
        sums = (embedded.unsqueeze(2) * weights.unsqueeze(2)).cumsum(1)
        return (sums + self.vertical.bias.unsqueeze(1)).flatten(2)

    def _horizontal(self, embedded: Tensor) -> Tensor:
        """Largest activation so far by height and filter, (sequences, length, heights · filters)."""
        sequences, length, _ = embedded.shape
        pooled = []
        for height, filter_ in enumerate(self._filters(), start=1):
            if height > length:  # taller than the history: its activation is 0
                pooled.append(embedded.new_zeros(sequences, length, filter_.out_channels))
                continue
            weight = filter_.weight  # (filters, width, height)
            activations = F.relu(_Convolution.apply(embedded, weight, filter_.bias))  # type: ignore[no-untyped-call]
            pooled.append(F.pad(activations.cummax(1).values, (0, 0, height - 1, 0)))
        return torch.cat(pooled, -1)

    def _horizontal_at_once(self, embedded: Tensor) -> Tensor:
        """Compute the same by one convolution, for devices where starting an operation is slow.

        All filters get the height of the tallest. The weights above a filter's own are 0.
        """
        length, weights = embedded.shape[1], self._join() if self._joined is None else self._joined
        heights, filters, _, tallest = weights.shape
        before = F.pad(embedded.transpose(1, 2), (tallest - 1, 0))  # (sequences, width, tallest − 1 + length)
        biases = torch.cat([filter_.bias for filter_ in self._filters() if filter_.bias is not None])
        found = F.relu(F.conv1d(before, weights.flatten(0, 1), biases))  # (…, heights · filters, length)
        seen = torch.arange(1, length + 1, device=embedded.device)
        fits = seen >= torch.arange(1, heights + 1, device=embedded.device)[:, None]  # (heights, length)
        found = found.view(len(found), heights, filters, length) * fits.unsqueeze(1)
        return found.flatten(1, 2).cummax(2).values.transpose(1, 2)

    def _filter_norms_at_once(self) -> Tensor:
        """Sum of the norms of the horizontal filters of each height."""
        weights = self._join() if self._joined is None else self._joined
        return weights.flatten(1).norm(dim=1).sum()

    def _join(self) -> Tensor:
        """Join the horizontal filters, with zeros above short ones, (heights, filters, width, tallest)."""
        flat = torch.cat([filter_.weight.flatten() for filter_ in self._filters()])
        tallest, (filters, width, _) = len(self.horizontal), self._filters()[0].weight.shape
        if self._places is None or self._places.device != flat.device:
            numbers = np.arange(tallest * filters * width * tallest).reshape(tallest, -1, tallest)
            own = [numbers[height - 1, :, -height:].ravel() for height in range(1, tallest + 1)]
            self._places = on_device(np.concatenate(own), flat.device)
        joined = flat.new_zeros(tallest * filters * width * tallest)
        return joined.index_copy(0, self._places, flat).view(tallest, filters, width, tallest)


class _Convolution(torch.autograd.Function):
    """Product of every window of a history with every filter, (sequences, windows, filters).

    torch's convolution calls oneDNN. That library compiles a kernel for every number and length of sequences,
    which takes longer than the convolution. Windows take far more memory than histories, so the backward pass
    builds them again.
    """

    @staticmethod
    def forward(ctx: Any, histories: Tensor, filters: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(histories, filters)
        return F.linear(_windows(histories, filters), filters.flatten(1), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        histories, filters = ctx.saved_tensors
        window_gradient = (gradient @ filters.flatten(1)).unflatten(
            2, filters.shape[1:]
        )  # (sequences, windows, width, height)
        history_gradient = torch.ops.aten.unfold_backward(
            window_gradient, histories.shape, 1, filters.shape[2], 1
        )  # (sequences, length, width)
        flat = gradient.flatten(0, 1)  # (sequences · windows, filters)
        filter_gradient = flat.T @ _windows(histories, filters).flatten(0, 1)  # (filters, width · height)
        return history_gradient, filter_gradient.view_as(filters), flat.sum(0)


def _windows(histories: Tensor, filters: Tensor) -> Tensor:
    """Every window of the filters' height, (sequences, windows, width · height)."""
    return histories.unfold(1, filters.shape[2], 1).flatten(2)
