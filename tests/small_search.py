"""A search for settings on walks, and one that is broken off."""

from pathlib import Path

import pytest
from small_data import order, trial_config

from lrbench.config.tuning import Choice, Range, SearchConfig
from lrbench.execution.order import TrialOrder
from lrbench.execution.tuning.search import run_search
from lrbench.training.news import EpochDone

__all__ = ["SPACE", "broken_off", "search"]

SPACE = {"dropout": Choice(values=(0.0, 0.5)), "training.learning_rate": Range(low=1e-4, high=3e-2, log=True)}


def search(**changes: object) -> SearchConfig:
    """Return a search of three random trials, with changes."""
    base = trial_config(seed=7, batch_size=512).model_dump()
    plan = {"space": SPACE, "trials": 3, "sampler": "random", "pruning": "none", "users": None}
    return SearchConfig.model_validate(base | plan | changes)


def broken_off(config: SearchConfig, epochs: int, data: Path, results: Path) -> TrialOrder:
    """Run a search until it has trained so many epochs, and return its order."""
    seen: list[EpochDone] = []

    def interrupt(news: EpochDone) -> None:
        seen.append(news)
        if len(seen) == epochs:
            raise KeyboardInterrupt

    told = order(config, data, results)
    with pytest.raises(KeyboardInterrupt):
        run_search(told, interrupt)
    return told
