"""The largest numbers that a request may hold. A larger one is a slip, or a run that never ends."""

__all__ = [
    "LARGEST_GPU",
    "LARGEST_SEED",
    "LARGEST_SIZE",
    "MOST_BATCH_TARGETS",
    "MOST_DRAWS",
    "MOST_EPOCHS",
    "MOST_GPUS",
    "MOST_PROPOSED",
    "MOST_ROWS",
    "MOST_SEARCH_TRIALS",
    "MOST_SEEDS",
    "MOST_STEPS",
    "MOST_TRIALS",
    "MOST_WARMUP_STEPS",
    "MOST_WORKERS",
]

LARGEST_SEED = 2**63 - 1
"""The largest whole number of TOML."""

LARGEST_SIZE = 1_000_000
"""Widths, and other whole numbers of a model's options."""

MOST_SEEDS = 10_000
MOST_STEPS = 1_000
"""Latent reasoning steps, and blocks of a network."""

MOST_DRAWS = 10_000
MOST_EPOCHS = 1_000_000
MOST_WARMUP_STEPS = 100_000_000
MOST_BATCH_TARGETS = 100_000_000
MOST_ROWS = 5_000
"""Rows of a suite, counting every row of a grid."""

MOST_PROPOSED = 52
"""Proposed rows of a suite. Tables mark each with a letter."""

MOST_TRIALS = 10_000
"""Trials of one plan. Planning takes about a millisecond for each."""

MOST_SEARCH_TRIALS = 1_000
"""Settings that one search tries."""

MOST_WORKERS = 1_024
LARGEST_GPU = 1_023
MOST_GPUS = 1_024
