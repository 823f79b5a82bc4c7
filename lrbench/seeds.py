"""Independent random streams from one trial seed: initialisation, stages, shuffling, inference noise.

Each stream is a child of the trial's seed (``numpy.random.SeedSequence`` with a spawn key). No stream depends
on how much another has drawn. A resumed trial therefore draws the same numbers as one without interruption.
"""

import os
import random

import numpy as np
import torch

__all__ = [
    "batch_source",
    "make_deterministic",
    "noise_seed",
    "replacement_seed",
    "seed_part",
    "seed_torch",
    "shuffle_source",
]

_INITIALISATION, _STAGE, _SHUFFLE, _NOISE, _PART, _REPLACEMENT, _BATCH = range(7)
_SPLITS = {"valid": 0, "test": 1, "selection": 2}


def _child(seed: int, *key: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(entropy=seed, spawn_key=key)


def seed_torch(seed: int, stage: int | None = None) -> None:
    """Seed torch on all devices and Python's ``random``, for initialisation or for a stage by its number."""
    key = (_INITIALISATION,) if stage is None else (_STAGE, stage)
    state = int(_child(seed, *key).generate_state(1, np.uint64)[0])
    torch.manual_seed(state & (2**63 - 1))
    random.seed(state)


def seed_part(seed: int, stage: int, epoch: int, process: int) -> None:
    """Seed torch for one epoch of a process that shares a trial. Each process then has its own dropout."""
    state = int(_child(seed, _PART, stage, epoch, process).generate_state(1, np.uint64)[0])
    torch.manual_seed(state & (2**63 - 1))


def batch_source(seed: int, stage: int, epoch: int) -> np.random.Generator:
    """Return the generator of what processes that share a trial draw alike in one epoch."""
    return np.random.default_rng(_child(seed, _BATCH, stage, epoch))


def shuffle_source(seed: int, stage: int, epoch: int) -> np.random.Generator:
    """Return the generator that shuffles one epoch."""
    return np.random.default_rng(_child(seed, _SHUFFLE, stage, epoch))


def noise_seed(seed: int, split: str, draw: int) -> int:
    """Return the seed of the initial latent noise. A split is ``valid``, ``test`` or ``selection``."""
    return int(_child(seed, _NOISE, _SPLITS[split], draw).generate_state(1, np.uint32)[0])


def replacement_seed(noise_seed: int) -> int:
    """Return the seed of the noise that an intervention puts in the place of latents.

    Args:
        noise_seed: of the initial latent noise, which the intervention must not change.
    """
    return int(_child(noise_seed, _REPLACEMENT).generate_state(1, np.uint32)[0])


def make_deterministic() -> None:
    """Ask torch for algorithms that give the same bits every time. Call it before CUDA starts."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Filling new memory takes time, and no result depends on it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
