"""Caser against RecBole's numbers; padding is an item there, and each user has a vector."""

import re

import numpy as np
import pytest
import torch
from parity.published import CPU, Published
from torch import Tensor, nn

from lrbench.data.packing import Packed, pack
from lrbench.models.sequential.caser import Caser, CaserConfig

NAMES = {
    r"user_embedding\.weight": "second.users.weight",
    r"item_embedding\.weight": "items.weight",
    r"conv_v\.(\w+)": r"vertical.\1",
    r"conv_h\.(\d+)\.(\w+)": r"horizontal.\1.\2",
    r"fc1\.(\w+)": r"first.\1",
    r"fc2\.(\w+)": r"second.linear.\1",
}


class AsColumns(Published):
    """Horizontal filters are (filters, 1, height, width) in the source, (filters, width, height) here."""

    def renumbered(self, key: str, value: Tensor) -> Tensor:
        if re.search(r"conv_h\.\d+\.weight$", key):
            return value.squeeze(1).transpose(1, 2).contiguous()
        return value


class WithUsers(nn.Module):
    """The source's second layer, which also sees a vector of the user."""

    def __init__(self, users: Tensor) -> None:
        super().__init__()
        self.users = nn.Embedding(9, 16)
        self.linear = nn.Linear(32, 16)
        self.of_token = users  # (tokens,)

    @property
    def weight(self) -> Tensor:
        return self.linear.weight

    def forward(self, hidden: Tensor) -> Tensor:
        output: Tensor = self.linear(torch.cat((hidden, self.users(self.of_token)), -1))
        return output


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def published(request: pytest.FixtureRequest) -> Published:
    return AsColumns("caser", request.param)


@pytest.fixture
def sequences(published: Published) -> Packed:
    """The padded rows, in which padding is an item like others."""
    rows = published.cases["in.item_seq"]
    starts = np.arange(len(rows), dtype=np.int64) * rows.shape[1]
    return pack(rows.flatten().numpy(), starts, starts + rows.shape[1], CPU)


@pytest.fixture
def model(published: Published, sequences: Packed) -> Caser:
    config = CaserConfig(width=16, horizontal_filters=3, vertical_filters=2, dropout=0)
    model = Caser(config, published.n_items, 8)
    model.items.padding_idx = 0  # the source's look-ups of padding pass no gradient
    model.second = WithUsers(  # type: ignore[assignment]
        published.cases["in.user"][sequences.sequence_of]
    )
    published.load(model, NAMES)
    return model


def test_filters_states_and_logits(published: Published, model: Caser, sequences: Packed) -> None:
    cases, embedded = published.cases, model.items(sequences.items)
    found = sequences.by_group(model.filtered, embedded)[sequences.last]
    published.equal(found[:, :32].view(6, 2, 1, 16), cases["out.eval.conv_vertical"], "vertical")
    for height in range(8):
        horizontal = cases[f"out.eval.conv_horizontal{height}_before_relu"].relu().amax((2, 3))
        own = found[:, 32 + 3 * height : 35 + 3 * height]
        published.equal(own, horizontal, f"horizontal, height {height + 1}")
    hidden = model.first(sequences.by_group(model.filtered, embedded))
    published.close(hidden[sequences.last], "out.eval.fc1_before_relu")
    published.close(model.second(hidden.relu())[sequences.last], "out.eval.fc2_before_relu")
    (users,) = model.encode(sequences, (0,), None)
    published.close(users, "out.eval.user_vector")
    published.close(model.score(users), "out.eval.logits")
    published.close(model.score(users), "out.ce.train_logits")


def test_cross_entropy_penalty_and_gradients(published: Published, model: Caser, sequences: Packed) -> None:
    (users,) = model.encode(sequences, (0,), None)
    prediction = model.target_loss(users, published.cases["in.target"])
    published.close(prediction, "out.ce.loss_ce")
    horizontal = torch.stack(
        [model.get_parameter(f"horizontal.{place}.weight").norm() for place in range(8)]
    ).sum()
    published.close(1e-4 * horizontal, "out.ce.loss_reg_conv_horizontal")
    norms = model.norms() + model.get_parameter("second.users.weight").norm()  # which ours has not
    published.close(norms - horizontal, "out.ce.loss_reg_norm_sum")
    loss = prediction + 1e-4 * norms
    published.close(loss, "out.ce.loss_total")
    loss.backward()
    published.close_gradients(model, "out.ce", NAMES)
