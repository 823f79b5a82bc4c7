"""One measurement of lrbench, run by ``compare.py``: whole epochs, ranking, peak memory.

Prints a line of JSON.
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

from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingData
from lrbench.data.prepared import load_prepared
from lrbench.data.sequences import Split, leave_one_out
from lrbench.evaluation.ranking import rank_targets
from lrbench.metrics import metric_function
from lrbench.models.base import GradientStage, Model
from lrbench.registry import MODELS
from lrbench.training.epoch import run_epoch
from lrbench.training.optimiser import Optimiser

CPU = torch.device("cpu")


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
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)

    split = leave_one_out(load_prepared(arguments.data).sequences)
    training = TrainingConfig(batch_size=arguments.batch_size, precision=arguments.precision)
    model_class = MODELS.load(arguments.model)
    config = model_class.Config(**arguments.params)
    model = model_class(config, split.train.n_items, arguments.max_length)
    stage = model.stages[arguments.stage or model.default_stages[0]](model)
    assert isinstance(stage, GradientStage)
    rows = stage.training_rows(model_class, config)
    data = TrainingData(split.train, arguments.max_length, rows)
    keep = stage.begin(data, CPU)
    optimiser, shuffle = Optimiser(model.parameters(), training), np.random.default_rng(1)

    def train(steps: int | None = None) -> Any:
        batches = data.batches(training.batch_size, CPU, shuffle, keep)
        return run_epoch(stage, optimiser, islice(batches, steps), training, CPU, "the benchmark")

    train(3)
    kept = data.n_targets if keep is None else int(keep.sum())
    result: dict[str, Any] = {"peer": "lrbench", "model": arguments.model}
    times, points, spent = [], [], 0.0
    for _ in range(arguments.epochs):
        epoch = train(arguments.steps)
        times.append(epoch.seconds * kept / epoch.targets)
        spent += epoch.seconds
        if arguments.curve:
            points.append((spent, ndcg(model, split, stage.selection_depth())))
    result["epoch"] = statistics.median(times)
    if points:
        result["curve"] = points
    result["memory_training"] = peak_memory()
    started = time.perf_counter()
    rank_targets(model, split.test, (stage.selection_depth(),), 0, CPU)
    result["rank"] = time.perf_counter() - started
    result["memory_ranking"] = peak_memory()
    print(json.dumps(result))


def ndcg(model: Model, split: Split, depth: int) -> float:
    """Validation NDCG@10, the history not masked."""
    ranks = rank_targets(model, split.valid, (depth,), 0, CPU).rank
    return float(metric_function("ndcg@10")(ranks).mean())


def peak_memory() -> float:
    """In MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
