"""A whole trial of LatentR³: stages, ranks at each depth, interventions, storage, and resumption."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from small_data import order, small_dataset, trial_config

from lrbench.config.trial import EvaluationConfig, TrialConfig
from lrbench.data.dataset import load_prepared, write_prepared
from lrbench.data.splitting import split
from lrbench.evaluation.rank_everything import rank_everything
from lrbench.execution.train_and_rank import build_model
from lrbench.execution.trial import run_trial
from lrbench.execution.weights import load_weights
from lrbench.seeds import make_deterministic
from lrbench.store.layout import Results
from lrbench.store.trials import read_ranks
from lrbench.training.news import EpochDone

USERS, ITEMS = 16, 12


class StoppedError(Exception):
    """What stops a run in this test."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = small_dataset(USERS, ITEMS)
    titles = [f"Film {chr(65 + item)}" for item in range(ITEMS)]
    titles[3] = titles[2]
    folder = tmp_path_factory.mktemp("titled") / "walks"
    folder.mkdir()
    write_prepared(replace(made, titles=pl.Series(titles)), folder)
    return folder


@pytest.fixture(scope="module")
def config() -> TrialConfig:
    made = trial_config(
        "latentr3",
        params={"base": "tiny", "few_shot": 24, "group": 3, "beams": 4},
        batch_size=12,
        max_epochs=2,
        learning_rate=1e-3,
    )
    fingerprint = small_dataset(USERS, ITEMS).record.fingerprint
    evaluation = EvaluationConfig(depths=(0, 1), interventions=("zero", "shuffle"))
    return made.model_copy(update={"evaluation": evaluation, "fingerprint": fingerprint})


@pytest.fixture(scope="module")
def whole(folder: Path, config: TrialConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("whole")
    run_trial(order(config, folder, results), lambda news: None)
    return results


def ranks_of(results: Path, config: TrialConfig, **chosen: Any) -> pl.DataFrame:
    return read_ranks(Results(results).trial(config.id), **chosen).collect()


@pytest.mark.slow
def test_ranks_are_of_items_and_equal_titles_are_tied(whole: Path, config: TrialConfig) -> None:
    ranks = ranks_of(whole, config, intervention=None)
    assert set(ranks["depth"]) == {0, 1}
    assert set(ranks["intervention"]) == {"none", "zero", "shuffle"}
    assert ranks["rank"].is_between(1, ITEMS).all()
    found = ranks.filter(pl.col("rank") <= 4)
    twins = found.filter(pl.col("target").is_in(["i2", "i3"]))
    assert (twins["ties"] == 1).all()
    beyond = ranks.filter(pl.col("rank") > 5)
    assert len(beyond)
    assert (beyond["ties"] >= ITEMS - 6).all()  # all items that the search did not find


@pytest.mark.slow
def test_stored_weights_give_the_stored_ranks(whole: Path, config: TrialConfig, folder: Path) -> None:
    import torch

    make_deterministic()
    torch.set_num_threads(1)
    dataset = load_prepared(folder)
    model = build_model(config, dataset, torch.device("cpu"))
    load_weights(Results(whole).trial(config.id), model)
    parts = split(dataset.sequences, config.protocol)
    ranks, _ = rank_everything(model, dataset, parts, config.evaluation, config.seed, torch.device("cpu"))
    assert np.array_equal(ranks["rank"], ranks_of(whole, config)["rank"])


@pytest.mark.slow
def test_a_run_that_was_stopped_in_reinforcement_ends_with_the_same_ranks(
    whole: Path, config: TrialConfig, folder: Path, tmp_path: Path
) -> None:
    def stop(news: EpochDone) -> None:
        if (news.stage, news.epoch) == ("grpo", 1):
            raise StoppedError

    with pytest.raises(StoppedError):
        run_trial(order(config, folder, tmp_path), stop)
    record = run_trial(order(config, folder, tmp_path), lambda news: None)
    assert record.resumed == 1
    assert ranks_of(tmp_path, config).equals(ranks_of(whole, config))
