"""The engine learns as a plain padded Transformer of torch's own parts does, epoch by epoch.

Exact tests cover each trick at a step; dropout and shuffling are random, so what they do to learning shows
only in curves. Both begin from the same weights and are trained on the same data with draws of their own;
curves are means over seeds.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_data import leave_one_out, small_dataset
from torch import Tensor, nn

from lrbench.config.protocol import PROTOCOLS
from lrbench.config.training import TrainingConfig
from lrbench.config.trial import EvaluationConfig, StageConfig, TrialConfig
from lrbench.models.layers.embeddings import LAYER_NORM_EPSILON
from lrbench.models.sequential.sasrec import SASRec, SASRecConfig
from lrbench.testing import pack_lists
from lrbench.training.news import EpochDone
from lrbench.training.trainer import train

pytestmark = pytest.mark.slow  # it trains to a known curve

DATASET = small_dataset(users=400, items=100)
SPLIT = leave_one_out(DATASET.sequences)
LENGTH, EPOCHS, SEEDS, TARGETS, RATE = 20, 8, (1, 2, 3), 256, 5e-3
SIZES = {"width": 32, "layers": 2, "heads": 2, "inner_width": 64}
Curve = tuple[np.ndarray, np.ndarray]
"""Losses and validation NDCG@10, (epochs,) each."""


class PaddedSASRec(nn.Module):
    """SASRec of ``nn.TransformerEncoderLayer``, with the weights of ours."""

    def __init__(self, ours: SASRec, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding.from_pretrained(ours.embedding.items.weight.detach().clone(), freeze=False)
        self.positions = nn.Embedding.from_pretrained(
            ours.embedding.positions.weight.detach().clone(), freeze=False
        )
        self.norm = nn.LayerNorm(SIZES["width"], eps=LAYER_NORM_EPSILON)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(_layer(block, dropout) for block in ours.encoder.blocks)

    def forward(self, items: Tensor) -> Tensor:
        """(users, length) → (users, length, width)."""
        length = items.shape[1]
        hidden = self.dropout(self.norm(self.items(items) + self.positions(torch.arange(length))))
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        for layer in self.layers:
            hidden = layer(hidden, src_mask=later)
        return hidden


def _layer(block: nn.Module, dropout: float) -> nn.TransformerEncoderLayer:
    width, heads, inner = SIZES["width"], SIZES["heads"], SIZES["inner_width"]
    layer = nn.TransformerEncoderLayer(width, heads, inner, dropout, "gelu", LAYER_NORM_EPSILON, True)
    layer.dropout = nn.Identity()  # torch has a third dropout, between the linear layers
    attention, feed_forward = block.mixer.inner, block.feed_forward.inner
    projections = attention.query, attention.key, attention.value
    values = {
        "self_attn.in_proj_weight": torch.cat([part.weight for part in projections]),
        "self_attn.in_proj_bias": torch.cat([part.bias for part in projections]),
        **{f"self_attn.out_proj.{name}": value for name, value in attention.output.named_parameters()},
        **{f"linear1.{name}": value for name, value in feed_forward.expand.named_parameters()},
        **{f"linear2.{name}": value for name, value in feed_forward.contract.named_parameters()},
        **{f"norm1.{name}": value for name, value in block.mixer.norm.named_parameters()},
        **{f"norm2.{name}": value for name, value in block.feed_forward.norm.named_parameters()},
    }
    layer.load_state_dict(values)
    return layer


def fresh(seed: int, dropout: float) -> SASRec:
    torch.manual_seed(seed)
    return SASRec(
        SASRecConfig(**SIZES, dropout=dropout, attention_dropout=dropout), SPLIT.train.n_items, LENGTH
    )


def padded(shorter_by: int) -> tuple[Tensor, Tensor]:
    """Histories without their last items, padded on the right, and how long each is."""
    sequences = DATASET.sequences
    histories = [
        torch.from_numpy(sequences.items[start : stop - shorter_by].astype(np.int64))
        for start, stop in zip(sequences.offsets, sequences.offsets[1:], strict=False)
    ]
    lengths = torch.tensor([len(history) for history in histories])
    return nn.utils.rnn.pad_sequence(histories, batch_first=True), lengths


def plain_epoch(model: PaddedSASRec, optimiser: torch.optim.Optimizer, batch: int) -> float:
    """Train on every position of every user once and return the mean loss."""
    items, lengths = padded(shorter_by=2)
    model.train()
    total = 0.0
    for users in torch.randperm(len(items)).split(batch):
        scores = model(items[users, :-1]) @ model.items.weight.T  # (users, length, items)
        real = torch.arange(items.shape[1] - 1) < lengths[users, None] - 1
        loss = F.cross_entropy(scores[real], items[users, 1:][real])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * int(real.sum())
    return total / int((lengths - 1).sum())


@torch.no_grad()
def plain_ndcg(model: PaddedSASRec) -> float:
    items, lengths = padded(shorter_by=1)  # the last that is left is the validation target
    model.eval()
    everyone = torch.arange(len(items))
    states = model(items[:, :-1])[everyone, lengths - 2]
    scores, targets = states @ model.items.weight.T, items[everyone, lengths - 1]
    above = (scores > scores[everyone, targets].unsqueeze(1)).sum(1)
    return float(torch.where(above < 10, 1 / torch.log2(above + 2.0), 0.0).mean())


@cache
def plain_curves(dropout: float) -> list[Curve]:
    curves = []
    for seed in SEEDS:
        model = PaddedSASRec(fresh(seed, dropout), dropout)
        optimiser = torch.optim.Adam(model.parameters(), RATE)
        batch = round(TARGETS / (SPLIT.train.stops - SPLIT.train.starts - 1).mean())
        points = [(plain_epoch(model, optimiser, batch), plain_ndcg(model)) for _ in range(EPOCHS)]
        curves.append(tuple(np.array(points).T))
    return curves


def our_curves(tmp_path: Path, dropout: float, **settings: str) -> list[Curve]:
    training = TrainingConfig(
        max_epochs=EPOCHS, patience=EPOCHS, batch_size=TARGETS, learning_rate=RATE, **settings
    )
    curves = []
    for seed in SEEDS:
        model, reports = fresh(seed, dropout), []
        config = TrialConfig(
            dataset="walks",
            fingerprint=DATASET.record.fingerprint,
            protocol=PROTOCOLS["loo-20"],
            model="sasrec",
            params=model.config.model_dump(mode="json"),
            stages=(StageConfig(name="supervised", training=training),),
            evaluation=EvaluationConfig(),
            seed=seed,
        )
        train(model, config, SPLIT, torch.device("cpu"), tmp_path / f"{seed}.pt", reports.append)
        curves.append(points(reports))
    return curves


def points(reports: list[EpochDone]) -> Curve:
    return np.array([report.loss for report in reports]), np.array([report.metric for report in reports])


def distance(ours: list[Curve], plain: list[Curve]) -> tuple[float, float]:
    """Largest difference of mean losses, relative, and of mean NDCG, over the epochs."""
    (loss, ndcg), (plain_loss, plain_ndcg) = (np.mean(curves, axis=0) for curves in (ours, plain))
    return float(np.abs(loss / plain_loss - 1).max()), float(np.abs(ndcg - plain_ndcg).max())


@pytest.mark.parametrize(
    "settings",
    [{}, {"precision": "bfloat16"}, {"rows": "prefixes"}],
    ids=["packed", "bfloat16", "prefixes"],
)
def test_curves_are_those_of_a_plain_transformer(settings: dict[str, str], tmp_path: Path) -> None:
    loss, ndcg = distance(our_curves(tmp_path, 0.5, **settings), plain_curves(0.5))
    assert loss < 0.03  # seeds differ by 1 %, their mean by half of it
    assert ndcg < 0.025


def test_a_somewhat_smaller_dropout_would_be_seen(tmp_path: Path) -> None:
    loss, ndcg = distance(our_curves(tmp_path, 0.4), plain_curves(0.5))
    assert loss > 0.06
    assert ndcg > 0.03


def test_both_begin_from_the_same_states() -> None:
    ours = fresh(1, 0.5).eval()
    theirs = PaddedSASRec(ours, 0.5).eval()
    items, lengths = padded(shorter_by=1)
    packed = pack_lists([history[:length].tolist() for history, length in zip(items, lengths, strict=True)])
    with torch.no_grad():
        expected = theirs(items)[packed.sequence_of, packed.positions]
        torch.testing.assert_close(ours.token_states(packed), expected, rtol=1e-5, atol=1e-5)
