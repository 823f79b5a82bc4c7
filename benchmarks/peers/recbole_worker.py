"""Take one measurement of RecBole, in an environment with recbole 1.2.1.

``compare.py`` runs this file. It prints one line of JSON: seconds for an epoch of training, seconds to rank
all users, and the peak of resident memory. The epoch is scaled from some steps, because it takes minutes.
"""

import argparse
import json
import resource
import statistics
import time
from itertools import islice
from pathlib import Path

import torch
from duorec_on_recbole import DuorecOnRecBole
from filters_on_recbole import BsarecOnRecBole, FmlpOnRecBole
from lares_on_recbole import LaresOnRecBole, ReinforcedOnRecBole
from rearec_on_recbole import ErlOnRecBole, PrlOnRecBole
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

SETTINGS = {
    "benchmark_filename": None,
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "eval_args": {
        "split": {"LS": "valid_and_test"},
        "group_by": "user",
        "order": "TO",
        "mode": "full",
    },
    "metrics": ["Recall", "NDCG"],
    "topk": [5, 10, 20],
    "valid_metric": "NDCG@10",
    "train_neg_sample_args": None,
    "loss_type": "CE",
    "MAX_ITEM_LIST_LENGTH": 50,
    "train_batch_size": 256,
    "eval_batch_size": 4096,
    "learning_rate": 1e-3,
    "seed": 1,
    "reproducibility": True,
    "state": "ERROR",
    "show_progress": False,
    "save_dataset": False,
    "save_dataloaders": False,
    "device": "cpu",
    "use_gpu": False,
}
TRANSFORMER = {"hidden_size": 64, "inner_size": 256, "n_layers": 2, "n_heads": 2}
SIZES = {
    "SASRec": TRANSFORMER,
    "BERT4Rec": TRANSFORMER,
    "Caser": {"embedding_size": 64},
    "GRU4Rec": {"embedding_size": 64, "hidden_size": 128, "num_layers": 1},
}
REBUILT = {
    "FMLP-Rec": FmlpOnRecBole,
    "BSARec": BsarecOnRecBole,
    "DuoRec": DuorecOnRecBole,
    "ReaRec ERL": ErlOnRecBole,
    "ReaRec PRL": PrlOnRecBole,
    "LARES": LaresOnRecBole,
    "LARES, reinforced": ReinforcedOnRecBole,
}
"""Models that RecBole lacks, built from its parts; their settings are those of its SASRec."""
BATCHES = {
    "LARES": {"MAX_ITEM_LIST_LENGTH": 20, "train_batch_size": 1024},
    "LARES, reinforced": {"MAX_ITEM_LIST_LENGTH": 20, "train_batch_size": 400},
}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder that holds beauty/beauty.inter")
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True, help="training steps to time")
    parser.add_argument("--epochs", type=int, default=0, help="train whole epochs and report the curve")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    known = "SASRec" if arguments.model in REBUILT else arguments.model
    settings = SETTINGS | SIZES[known] | BATCHES.get(arguments.model, {}) | {"data_path": str(arguments.data)}
    settings |= {"device": arguments.device, "use_gpu": arguments.device != "cpu"}
    config = Config(model=known, dataset="beauty", config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    started = time.perf_counter()
    dataset = create_dataset(config)
    train, valid, test = data_preparation(config, dataset)
    prepared = time.perf_counter() - started
    model = (REBUILT.get(arguments.model) or get_model(known))(config, train.dataset).to(config["device"])
    trainer = Trainer(config, model)
    result = {"prepare": prepared}
    if arguments.epochs:
        result["curve"] = curve(trainer, train, valid, arguments.epochs)
    else:
        result["epoch"] = seconds_per_epoch(trainer, model, train, arguments.steps)
    result["memory_training"] = peak_memory()
    started = time.perf_counter()
    trainer.evaluate(test, load_best_model=False)
    result["rank"] = time.perf_counter() - started
    result["memory_ranking"] = peak_memory()
    print(json.dumps(result))


def seconds_per_epoch(trainer: Trainer, model: torch.nn.Module, train: object, steps: int) -> float:
    """Return the median step after some to warm up, times the steps of an epoch."""
    model.train()
    times = []
    for batch in islice(train, steps + 3):
        started = time.perf_counter()
        trainer.optimizer.zero_grad()
        model.calculate_loss(batch.to(trainer.device)).backward()
        trainer.optimizer.step()
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[3:]) * len(train)


def curve(trainer: Trainer, train: object, valid: object, epochs: int) -> list[tuple[float, float]]:
    """Return seconds of training so far and validation NDCG@10 after each epoch."""
    points, spent = [], 0.0
    for epoch in range(epochs):
        started = time.perf_counter()
        trainer._train_epoch(train, epoch)
        spent += time.perf_counter() - started
        points.append((spent, trainer.evaluate(valid, load_best_model=False)["ndcg@10"]))
    return points


def peak_memory() -> float:
    """Return the peak resident memory in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
