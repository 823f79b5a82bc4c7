"""Times of the engine's pieces, on sequences of Beauty's shape: recorded, never asserted.

``nox -s benchmarks``, or ``pytest benchmarks/bench_engine.py --benchmark-only``.
"""

from itertools import islice

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.data.sequences import Sequences, Split, leave_one_out
from lrbench.evaluation.ranking import rank_targets
from lrbench.models.base import GradientStage
from lrbench.models.lares import LARES, LARESConfig
from lrbench.models.sasrec import SASRec, SASRecConfig
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.training.epoch import make_optimiser

CPU = torch.device("cpu")
N_ITEMS = 12_101


@pytest.fixture(scope="module")
def split() -> Split:
    """4,000 users with a median length of 6 and a long tail, as on Beauty."""
    source = np.random.default_rng(0)
    lengths = np.minimum(5 + source.geometric(0.25, 4_000) - 1, 200)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items = (source.zipf(1.3, offsets[-1]) % N_ITEMS).astype(np.int32)
    return leave_one_out(Sequences(items, offsets, None, N_ITEMS))


def stage_and_batches(model_name: str, split: Split) -> tuple[GradientStage, list[TrainingBatch]]:
    torch.manual_seed(0)
    if model_name == "sasrec":
        model: SASRec | LARES = SASRec(SASRecConfig(), N_ITEMS, 50)
        stage = model.stages["supervised"](model)
    else:
        model = LARES(LARESConfig(alignment_rows="sequence"), N_ITEMS, 20)
        stage = model.stages["spt"](model)
    assert isinstance(stage, GradientStage)
    data = TrainingData(split.train, model.max_length)
    stage.begin(data, CPU)
    model.train()
    return stage, list(islice(data.batches(1024, CPU, np.random.default_rng(0)), 4))


def test_batching(benchmark: BenchmarkFixture, split: Split) -> None:
    data = TrainingData(split.train, 50)
    benchmark(lambda: sum(1 for _ in data.batches(1024, CPU, np.random.default_rng(0))))


@pytest.mark.parametrize("model_name", ["sasrec", "lares"])
def test_training_step(benchmark: BenchmarkFixture, split: Split, model_name: str) -> None:
    stage, batches = stage_and_batches(model_name, split)
    optimiser = make_optimiser(stage.model, TrainingConfig())

    def step() -> None:
        for batch in batches:
            optimiser.zero_grad()
            stage.losses(batch)["loss"].backward()
            optimiser.step()

    benchmark.pedantic(step, rounds=5, warmup_rounds=1)


def test_cross_entropy(benchmark: BenchmarkFixture) -> None:
    states = torch.randn(1024, 64, requires_grad=True)
    items = torch.randn(N_ITEMS, 64, requires_grad=True)
    targets = torch.randint(N_ITEMS, (1024,))
    benchmark(lambda: cross_entropy(states, items, targets).backward())


def test_ranking(benchmark: BenchmarkFixture, split: Split) -> None:
    model = SASRec(SASRecConfig(), N_ITEMS, 50)
    benchmark.pedantic(lambda: rank_targets(model, split.test, (0,), 0, CPU), rounds=3, warmup_rounds=1)
