"""FMLP-Rec and BSARec against the authors' numbers, with padding tokens as they have them."""

import re

import pytest
import torch
from parity.filter_names import BSAREC_BLOCKS, FMLP_BLOCKS, block_names
from parity.published import Renumbered, last_target_batch, training_data
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.models.layers.frequency_filters import Mixture
from lrbench.models.sequential.bsarec import BSARec, BSARecConfig
from lrbench.models.sequential.filter_model import FilteredModel
from lrbench.models.sequential.fmlp import FMLPRec, FMLPRecConfig
from lrbench.objectives.sampled import sampled_loss

NAMES = {
    r"item_embeddings\.weight": "embedding.items.weight",
    r"position_embeddings\.weight": "embedding.positions.weight",
    r"LayerNorm\.(\w+)": r"embedding.norm.\1",
}


FMLP_NAMES = NAMES | block_names(FMLP_BLOCKS, "item_encoder", "encoder")
BSAREC_NAMES = NAMES | block_names(BSAREC_BLOCKS, "item_encoder", "encoder")
precision = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


class BSARecPublished(Renumbered):
    """Adding −10,000 costs float32 its digits: ten times what the numbers' README measures is allowed."""

    def tolerance(self, what: str) -> tuple[float, float]:
        if self.dtype == torch.float64:
            return super().tolerance(what)
        kinds = {r"grad\.": 1.37e-4, "loss": 1.83e-5, "logits": 3.17e-4, "": 3.15e-3}  # "": hidden states
        return 0, next(absolute for kind, absolute in kinds.items() if re.search(kind, what))


def fmlp(dtype: torch.dtype) -> tuple[Renumbered, FMLPRec]:
    published = Renumbered("fmlprec", dtype)
    model = FMLPRec(FMLPRecConfig(width=16, dropout=0, padding="tokens"), published.n_items, 8)
    published.load(model, FMLP_NAMES)
    return published, model


def bsarec(dtype: torch.dtype) -> tuple[Renumbered, BSARec]:
    published = BSARecPublished("bsarec", dtype)
    config = BSARecConfig(width=16, heads=2, dropout=0, attention_dropout=0, padding="tokens")
    model = BSARec(config, published.n_items, 8)
    published.load(model, BSAREC_NAMES)
    return published, model


def at_every_place(flat: Tensor) -> Tensor:
    return flat.view(6, 8, -1)


def compare_users(published: Renumbered, model: FilteredModel) -> None:
    (users,) = model.encode(published.sequences(), (0,), None)
    published.close(users, "out.eval.user_vector")
    published.close(users @ model.item_vectors().T, "out.eval.logits")
    published.equal(model.score(users), published.cases["out.eval.logits"][:, :-1], "logits of the ranking")


def compare_loss(published: Renumbered, model: FilteredModel, names: dict[str, str]) -> None:
    batch = last_target_batch(training_data(published, ("in.item_seq", "in.item_len")), 6)
    loss = model.stages["supervised"](model).losses(batch)["loss"]
    published.close(loss, "out.ce.loss_total")
    loss.backward()
    published.close_gradients(model, "out.ce", names)


def padded(published: Renumbered) -> Packed:
    return published.sequences().padded(8, published.n_items, left=True)


@precision
def test_fmlp_states(dtype: torch.dtype) -> None:
    published, model = fmlp(dtype)
    sequences = padded(published)
    hidden = model.embedding(sequences)
    published.close(at_every_place(hidden), "out.eval.input_embedding")
    for number, block in enumerate(model.encoder.blocks):
        hidden = block.mixer(hidden, sequences)
        published.close(at_every_place(hidden), f"out.eval.block{number}_after_filter")
        hidden = block.feed_forward(hidden, sequences)
        published.close(at_every_place(hidden), f"out.eval.block{number}")
    compare_users(published, model)


@precision
def test_fmlp_cross_entropy(dtype: torch.dtype) -> None:
    compare_loss(*fmlp(dtype), FMLP_NAMES)


@precision
def test_fmlp_binary_cross_entropy(dtype: torch.dtype) -> None:
    """The authors' loss; without the 1e-24 that they add to probabilities."""
    published, model = fmlp(dtype)
    cases, (users,) = published.cases, model.encode(published.sequences(), (0,), None)
    items, negatives = model.item_vectors(), cases["in.negative"][:, None]
    loss = sampled_loss("bce", users, items, cases["in.target"], negatives)
    published.close(loss, "out.bce.loss_total")
    loss.backward()
    published.close_gradients(model, "out.bce", FMLP_NAMES)


@precision
def test_bsarec_states(dtype: torch.dtype) -> None:
    published, model = bsarec(dtype)
    sequences = padded(published)
    hidden = model.embedding(sequences)
    published.close(at_every_place(hidden), "out.eval.input_embedding")
    for number, block in enumerate(model.encoder.blocks):
        assert isinstance(block.mixer, Mixture)
        frequency, attention = (
            branch(hidden, sequences) for branch in (block.mixer.frequency, block.mixer.attention)
        )
        published.close(at_every_place(frequency), f"out.eval.block{number}_frequency_branch")
        published.close(at_every_place(attention), f"out.eval.block{number}_attention_branch")
        hidden = block(hidden, sequences)
        published.close(at_every_place(hidden), f"out.eval.block{number}")
    compare_users(published, model)


@precision
def test_bsarec_cross_entropy(dtype: torch.dtype) -> None:
    compare_loss(*bsarec(dtype), BSAREC_NAMES)
