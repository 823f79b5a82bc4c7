"""Time the engine's pieces on sequences of Beauty's shape. Times are recorded and never asserted.

Run ``nox -s benchmarks`` or ``pytest benchmarks/bench_engine.py --benchmark-only``.
"""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from lrbench.config.protocol import Filters, find_protocol
from lrbench.config.training import LongSequences, TrainingConfig
from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.data.dataset import Origin
from lrbench.data.packing import pack
from lrbench.data.preparation.prepare import prepare
from lrbench.data.readers.amazon import Amazon2014Csv
from lrbench.data.sequences import Sequences, Split
from lrbench.data.splitting import split as split_data
from lrbench.evaluation.ranking import rank_targets
from lrbench.models.base import GradientStage
from lrbench.models.layers.attention import Attention
from lrbench.models.layers.dropout import Dropout
from lrbench.models.sequential.sasrec import SASRec, SASRecConfig
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.objectives.divergence import pairwise_divergence
from lrbench.objectives.sampled import draw_negatives, sampled_loss
from lrbench.registry import MODELS
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics
from lrbench.training.optimiser import Optimiser

CPU = torch.device("cpu")
N_ITEMS = 12_101
STEPS = 3  # steps of the latent models that are compared with each other
ONE_TARGET = {"alignment_rows": "sequence"}
AS_SASREC = {"width": 64, "inner_width": 256, "input_dropout": 0.5, "temperature": 1.0}
TRAINED: dict[str, dict[str, Any]] = {
    "gru4rec": {},
    "caser": {"tallest": 5},
    "sasrec": {},
    "sasrec-original": {"width": 64},
    "esasrec": {},
    "fmlp": {},
    "bsarec": {},
    "bert4rec": {},
    "hstu": {},
    "cl4srec": {},
    "duorec": ONE_TARGET,
    "recurrence": {},
    "erl": AS_SASREC,
    "prl": AS_SASREC,
    "plr": {},
    "latent-rl": {},
    "lares": ONE_TARGET,
    "diffureason": {"steps": STEPS},
    "disenreason": {"users": STEPS},
    "mancar": {"width": 64, "inner_width": 256, "steps": STEPS},
    "diffurec": {"width": 64},
}


@pytest.fixture(scope="module")
def split() -> Split:
    """Return 4,000 users whose lengths have a median of 6 and a long tail, as on Beauty."""
    source = np.random.default_rng(0)
    lengths = np.minimum(5 + source.geometric(0.25, 4_000) - 1, 200)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items = (source.zipf(1.3, offsets[-1]) % N_ITEMS).astype(np.int32)
    return split_data(Sequences(items, offsets, None, N_ITEMS), find_protocol("loo-50"))


def stage_and_batches(name: str, split: Split) -> tuple[GradientStage, list[TrainingBatch]]:
    torch.manual_seed(0)
    model_class = MODELS.load(name)
    config = model_class.Config(**TRAINED[name])
    model = model_class(config, N_ITEMS, 50)
    stage = model.stages[model.default_stages[0]](model)
    assert isinstance(stage, GradientStage)
    data = TrainingData(split.train, model.max_length, stage.training_rows())
    stage.begin(data, CPU)
    model.train()
    return stage, list(islice(data.batches(1024, CPU, np.random.default_rng(0)), 4))


def test_preparation(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Prepare the 5-core sequences of 300,000 ratings in a CSV file."""
    source, rows, file = np.random.default_rng(0), 300_000, tmp_path / "ratings.csv"
    columns = {
        "user": source.integers(25_000, size=rows),
        "item": source.zipf(1.3, rows) % N_ITEMS,
        "rating": source.integers(1, 6, rows),
        "time": source.integers(850_000_000, 1_400_000_000, rows),
    }
    pl.DataFrame(columns).write_csv(file, include_header=False)
    origin = Origin(
        name="ratings",
        edition="generated",
        source=str(file),
        source_sha256="0" * 64,
        reader="amazon-2014-csv",
        synthetic=True,
    )
    filters = Filters(repeats="keep", k_core=5)
    benchmark.pedantic(
        lambda: prepare(Amazon2014Csv().read(file), origin, filters), rounds=3, warmup_rounds=1
    )


def test_batching(benchmark: BenchmarkFixture, split: Split) -> None:
    data = TrainingData(split.train, 50)
    benchmark(lambda: sum(1 for _ in data.batches(1024, CPU, np.random.default_rng(0))))


@pytest.mark.parametrize("name", TRAINED)
def test_training_step(benchmark: BenchmarkFixture, split: Split, name: str) -> None:
    stage, batches = stage_and_batches(name, split)
    optimiser = Optimiser(stage.model.parameters(), TrainingConfig())

    def step() -> None:
        for batch in batches:
            optimiser.zero_grad()
            stage.losses(batch)["loss"].backward()
            optimiser.step()

    benchmark.pedantic(step, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("mode", ["windowed", "exact", "latest"])
def test_long_sequences(benchmark: BenchmarkFixture, mode: LongSequences) -> None:
    """Train SASRec for an epoch on 100 histories with MovieLens-1M's lengths. It sees 50 items at a time."""
    source = np.random.default_rng(0)
    lengths = np.clip(source.lognormal(4.6, 0.9, 100), 20, 2_000).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    items = source.integers(0, 3_416, offsets[-1], dtype=np.int32)
    view = split_data(Sequences(items, offsets, None, 3_416), find_protocol("loo-50")).train
    model = SASRec(SASRecConfig(), view.n_items, 50)
    stage = model.stages["supervised"](model)
    data = TrainingData(view, 50, long_sequences=mode)
    stage.begin(data, CPU)
    model.train()
    benchmark.extra_info["targets"] = data.n_targets

    def epoch() -> None:
        for batch in data.batches(1024, CPU, np.random.default_rng(0)):
            stage.losses(batch)["loss"].backward()

    benchmark.pedantic(epoch, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_attention(benchmark: BenchmarkFixture, dropout: float) -> None:
    attention, stops = Attention(64, 2, dropout), np.arange(1, 251, dtype=np.int64) * 20
    sequences = pack(np.zeros(5000, dtype=np.int32), stops - 20, stops, CPU)
    hidden = torch.randn(5000, 64, requires_grad=True)
    benchmark(lambda: attention(hidden, sequences).sum().backward())


@pytest.mark.parametrize("module", [Dropout, torch.nn.Dropout], ids=["lrbench", "torch"])
def test_dropout(benchmark: BenchmarkFixture, module: type[torch.nn.Dropout]) -> None:
    dropout, hidden = module(0.5), torch.randn(5000, 64, requires_grad=True)
    benchmark(lambda: dropout(hidden).sum().backward())


@pytest.mark.parametrize("coarse", [None, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("n_items", [N_ITEMS, 100_000, 1_000_000])
def test_cross_entropy(benchmark: BenchmarkFixture, coarse: torch.dtype | None, n_items: int) -> None:
    """Time the loss of 1,024 targets and its gradients."""
    states = torch.randn(1024, 64, requires_grad=True)
    items = torch.randn(n_items, 64, requires_grad=True)
    targets = torch.randint(n_items, (1024,))

    def step() -> None:
        loss = cross_entropy(states, items, targets, coarse)
        loss.backward()  # type: ignore[no-untyped-call]

    benchmark.pedantic(step, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("n_items", [N_ITEMS, 100_000, 1_000_000])
def test_sampled_softmax(benchmark: BenchmarkFixture, n_items: int) -> None:
    """Time the loss of 1,024 targets with 256 negatives each, and its gradients."""
    states = torch.randn(1024, 64, requires_grad=True)
    items = torch.randn(n_items, 64, requires_grad=True)
    targets = torch.randint(n_items, (1024,))

    def step() -> None:
        negatives = draw_negatives(targets, n_items, 256, shared=False)
        loss = sampled_loss("sampled_softmax", states, items, targets, negatives)
        loss.backward()  # type: ignore[no-untyped-call]

    benchmark.pedantic(step, rounds=3, warmup_rounds=1)


def test_divergence(benchmark: BenchmarkFixture) -> None:
    """Time the divergence of three states of 1,024 rows, and its gradients."""
    states, items = torch.randn(3, 1024, 64, requires_grad=True), torch.randn(N_ITEMS, 64, requires_grad=True)
    benchmark.pedantic(
        lambda: pairwise_divergence(states, items).backward(),  # type: ignore[no-untyped-call]
        rounds=3,
        warmup_rounds=1,
    )


@pytest.mark.parametrize("n_items", [N_ITEMS, 100_000, 1_000_000])
def test_ranking(benchmark: BenchmarkFixture, split: Split, n_items: int) -> None:
    """Rank the targets of 512 users."""
    model, test = SASRec(SASRecConfig(), n_items, 50), split.test
    cut = {name: getattr(test, name)[:512] for name in ("users", "starts", "stops", "targets")}
    view = replace(test, **cut, n_items=n_items)
    benchmark.pedantic(lambda: rank_targets(model, view, (0,), 0, CPU), rounds=3, warmup_rounds=1)


def test_crossed_test(benchmark: BenchmarkFixture) -> None:
    """Test two models with five seeds each on 22,363 users."""
    source = np.random.default_rng(0)
    first, second = (UserMetrics(source.random((5, 22_363))) for _ in range(2))
    benchmark(lambda: crossed(first, second))
