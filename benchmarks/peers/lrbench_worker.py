"""Take one measurement of lrbench: epochs, ranking and peak memory, or a profile.

``compare.py`` runs this file. It prints one line of JSON.
"""

import argparse
import json
import resource
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from profiling import Products, profiled, rates

from lrbench.config.protocol import find_protocol
from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingData
from lrbench.data.dataset import load_prepared
from lrbench.data.sequences import Split
from lrbench.data.splitting import split
from lrbench.evaluation.ranking import rank_targets
from lrbench.metrics import metric_function
from lrbench.models.base import GradientStage, Model
from lrbench.registry import MODELS
from lrbench.training.epoch import EpochResult, run_epoch
from lrbench.training.optimiser import Optimiser
from lrbench.training.step import GradientStep

CPU = torch.device("cpu")


class Workload:
    """One stage of a model with Beauty's training data and an optimiser."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        torch.set_num_threads(arguments.threads)
        torch.manual_seed(1)
        self.split = split(load_prepared(arguments.data).sequences, find_protocol("loo-50"))
        self.training = TrainingConfig(batch_size=arguments.batch_size, precision=arguments.precision)
        model_class = MODELS.load(arguments.model)
        config = model_class.Config(**arguments.params)
        self.model = model_class(config, self.split.train.n_items, arguments.max_length)
        stage = self.model.stages[arguments.stage or self.model.default_stages[0]](self.model)
        assert isinstance(stage, GradientStage)
        self.stage = stage
        rows = stage.training_rows()
        self._data = TrainingData(self.split.train, arguments.max_length, rows)
        self._keep = stage.begin(self._data, CPU)
        self.targets = self._data.n_targets if self._keep is None else int(self._keep.sum())
        self._optimiser = Optimiser(self.model.parameters(), self.training)
        self._shuffle = np.random.default_rng(1)

    def train(self, steps: int | None = None) -> EpochResult:
        """Take some steps, or those of an epoch."""
        batches = self._data.batches(self.training.batch_size, CPU, self._shuffle, self._keep)
        step = GradientStep(self.stage, self._optimiser, self.training, CPU)
        return run_epoch(step, islice(batches, steps), "the benchmark")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder of the prepared dataset")
    parser.add_argument("--model", required=True)
    parser.add_argument("--params", type=json.loads, default={})
    parser.add_argument("--stage", default=None, help="of the model; its first if left out")
    parser.add_argument("--max-length", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=1536, help="targets; 256 sequences of Beauty")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=1, help="epochs to train after a few steps to warm up")
    parser.add_argument("--steps", type=int, default=None, help="steps instead of an epoch, scaled to one")
    parser.add_argument("--curve", action="store_true", help="validate after each epoch")
    parser.add_argument("--profile", action="store_true", help="say where time goes instead")
    arguments = parser.parse_args()
    workload = Workload(arguments)
    workload.train(3)
    print(json.dumps(profile(workload) if arguments.profile else measure(workload, arguments)))


def measure(workload: Workload, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time epochs and a ranking, and then products of matrices, which need memory of their own."""
    result: dict[str, Any] = {}
    stage, split = workload.stage, workload.split
    times, points, spent = [], [], 0.0
    for _ in range(arguments.epochs):
        epoch = workload.train(arguments.steps)
        times.append(epoch.seconds * workload.targets / epoch.targets)
        spent += epoch.seconds
        if arguments.curve:
            points.append((spent, ndcg(workload.model, split, stage.selection_depth())))
    result["epoch"] = statistics.median(times)
    if points:
        result["curve"] = points
    result["memory_training"] = peak_memory()
    started = time.perf_counter()
    rank_targets(workload.model, split.test, (stage.selection_depth(),), 0, CPU)
    result["rank"] = time.perf_counter() - started
    result["memory_ranking"] = peak_memory()
    result["rates"] = rates()
    return result


def profile(workload: Workload) -> dict[str, Any]:
    """Count and time the operations of some steps."""
    with Products() as products:
        counted = workload.train(3)
    measured = profiled(lambda: workload.train(4))
    epoch = workload.targets / counted.targets
    floating = {name: count * epoch for name, count in products.operations.items()}
    return {"operations": floating, "shares": measured}


def ndcg(model: Model, split: Split, depth: int) -> float:
    """Return validation NDCG@10 with the history not masked."""
    ranks = rank_targets(model, split.valid, (depth,), 0, CPU)
    return float(metric_function("ndcg@10")(ranks.rank, ranks.ties).mean())


def peak_memory() -> float:
    """Return the peak resident memory in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
