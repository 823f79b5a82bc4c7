"""A small dataset with something to learn, and trials on it."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lrbench.config.protocol import PROTOCOLS, Filters, find_protocol
from lrbench.config.training import TrainingConfig
from lrbench.config.trial import EvaluationConfig, StageConfig, TrialConfig
from lrbench.data.dataset import DatasetRecord, PreparedDataset, StepCounts, write_prepared
from lrbench.data.sequences import Sequences, Split
from lrbench.data.splitting import split
from lrbench.execution.order import TrialOrder
from lrbench.registry import MODELS

SASREC = {"width": 16, "layers": 1, "heads": 2, "inner_width": 32, "dropout": 0.1, "attention_dropout": 0.1}
LARES = {
    "width": 16,
    "heads": 2,
    "inner_width": 32,
    "pre_layers": 1,
    "core_layers": 1,
    "mean_depth": 2,
    "dropout": 0.1,
}


def walks(users: int = 120, items: int = 40, seed: int = 0) -> list[list[int]]:
    """Users who step from an item mostly to the next one."""
    source = np.random.default_rng(seed)
    sequences = []
    for _ in range(users):
        steps = np.where(source.random(source.integers(6, 15)) < 0.8, 1, source.integers(2, items))
        sequences.append(((source.integers(items) + np.cumsum(steps)) % items).tolist())
    return sequences


def leave_one_out(sequences: Sequences) -> Split:
    """Split as the leave-one-out protocols do."""
    return split(sequences, find_protocol("loo-50"))


def small_dataset(users: int = 120, items: int = 40, seed: int = 0) -> PreparedDataset:
    """The walks, prepared."""
    sequences = walks(users, items, seed)
    flat = np.concatenate([np.asarray(sequence, dtype=np.int32) for sequence in sequences])
    offsets = np.concatenate([[0], np.cumsum([len(sequence) for sequence in sequences])]).astype(np.int64)
    record = DatasetRecord(
        own_clocks=False,
        name="walks",
        edition="walks made for tests",
        synthetic=True,
        source="generated",
        source_sha256="0" * 64,
        verified=True,
        filters=Filters(k_core=0),
        counts=(StepCounts(step="source", users=users, items=items, interactions=len(flat)),),
        fingerprint=f"walks{users}x{items}s{seed}",
    )
    return PreparedDataset(
        record=record,
        sequences=Sequences(flat, offsets, None, items),
        user_ids=pl.Series([f"u{user}" for user in range(users)]),
        item_ids=pl.Series([f"i{item}" for item in range(items)]),
        titles=pl.Series([None] * items, dtype=pl.String),
    )


def write_small_dataset(folder: Path) -> PreparedDataset:
    """Write the dataset into a new folder."""
    dataset = small_dataset()
    folder.mkdir(parents=True)
    write_prepared(dataset, folder)
    return dataset


def trial_config(model: str = "sasrec", seed: int = 1, **settings: Any) -> TrialConfig:
    """A trial on the walks.

    Args:
        model: registered name.
        seed: trial seed.
        settings: ``params``, ``stages``, ``depths``, ``draws`` and training settings.
    """
    kind = MODELS.load(model)
    params = settings.pop("params", {"sasrec": SASREC, "lares": LARES}.get(model, {}))
    config = kind.Config.model_validate(params)
    names = settings.pop("stages", kind.default_stages)
    default_depths = tuple(range(4)) if kind.reasons else (0,)
    evaluation = EvaluationConfig(
        depths=settings.pop("depths", default_depths), draws=settings.pop("draws", 1)
    )
    training = TrainingConfig(**({"max_epochs": 3, "batch_size": 128} | settings))
    return TrialConfig(
        dataset="walks",
        fingerprint=small_dataset().record.fingerprint,
        protocol=PROTOCOLS["loo-20"],
        model=model,
        params=config.model_dump(mode="json"),
        stages=tuple(StageConfig(name=name, training=training) for name in names),
        evaluation=evaluation,
        seed=seed,
    )


def order(config: TrialConfig, dataset_folder: Path, results: Path, **changes: Any) -> TrialOrder:
    """An order for this process's CPU."""
    return TrialOrder(
        config=config,
        dataset_folder=dataset_folder,
        results_folder=results,
        **({"device": "cpu", "threads": 1} | changes),
    )
