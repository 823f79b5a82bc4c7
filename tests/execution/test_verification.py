"""Stored ranks are compared with those of the stored weights, and kinds of differences are told apart."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from small_data import leave_one_out, order, small_dataset, trial_config

from lrbench.config.trial import EvaluationConfig, TrialConfig
from lrbench.evaluation import ranking
from lrbench.execution import verification
from lrbench.execution.stored_trial import StoredTrial
from lrbench.execution.train_and_rank import build_model
from lrbench.execution.trial import run_trial
from lrbench.execution.verification import RanksCompared, rank_again, rank_evaluation_again
from lrbench.execution.weights import load_weights
from lrbench.models.base import FitStage
from lrbench.registry import MODELS
from lrbench.store.brief_ranks import brief_ranks
from lrbench.store.evaluations import keep_evaluation, read_evaluation
from lrbench.store.layout import RANKS_FILE, Results
from lrbench.store.trials import read_record


def stored(config: TrialConfig, walks_folder: Path, results: Path) -> StoredTrial:
    run_trial(order(config, walks_folder, results), lambda news: None)
    folder, dataset, device = Results(results).trial(config.id), small_dataset(), torch.device("cpu")
    model = build_model(config, dataset, device)
    load_weights(folder, model)
    return StoredTrial(folder, read_record(folder), model, dataset, leave_one_out(dataset.sequences), device)


def is_fitted(name: str) -> bool:
    model = MODELS.load(name)
    return all(issubclass(model.stages[stage], FitStage) for stage in model.default_stages)


@pytest.fixture(scope="module")
def trial(walks_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> StoredTrial:
    """A trial whose initial state is drawn and whose steps take noise, with two draws."""
    config = trial_config("lares", draws=2, max_epochs=1)
    noisy = config.evaluation.model_copy(update={"latents": "noise"})
    return stored(config.model_copy(update={"evaluation": noisy}), walks_folder, tmp_path_factory.mktemp("r"))


def changed(trial: StoredTrial, folder: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> StoredTrial:
    """The trial with other stored ranks, in a folder of its own."""
    ranks = change(pl.read_parquet(trial.folder / RANKS_FILE))
    ranks.write_parquet(folder / RANKS_FILE)
    return replace(trial, folder=folder)


def test_what_was_stored_is_ranked_again(trial: StoredTrial) -> None:
    comparison = rank_again(trial)
    assert (comparison.ranks, comparison.differing, comparison.sentence) == (120 * 2 * 4 * 2, 0, "")


@pytest.mark.parametrize("model", sorted(name for name in MODELS.names() if is_fitted(name)))
def test_what_a_fitted_model_stored_is_ranked_again(model: str, walks_folder: Path, tmp_path: Path) -> None:
    """The sizes of its buffers may depend on the training part."""
    assert rank_again(stored(trial_config(model, seed=0), walks_folder, tmp_path)).differing == 0


def test_a_changed_rank_is_no_rounding(trial: StoredTrial, tmp_path: Path) -> None:
    here = pl.arange(pl.len()) == 1700
    moved = pl.when(here).then(41 - pl.col("rank")).otherwise("rank")
    comparison = rank_again(changed(trial, tmp_path, lambda ranks: ranks.with_columns(rank=moved)))
    assert comparison.differing == 1
    assert comparison.sentence.startswith("1 of 1,920 ranks differ from those stored, the furthest by ")
    assert (
        "This is not rounding: for 1 of 1 ranks, the scores would have to differ by up to 0."
        in comparison.sentence
    )


def test_ranks_of_a_brief_archive_are_compared_as_far_as_they_are_exact(
    trial: StoredTrial, tmp_path: Path
) -> None:
    """How far they differ is not told: the true rank may be far from the stored one."""
    short = changed(trial, tmp_path, lambda ranks: brief_ranks(ranks, trial.record.depth, 5))
    short = replace(short, record=trial.record.model_copy(update={"exact_ranks_to": 5}))
    assert rank_again(short) == RanksCompared(120 * 2 * 4 * 2, 0, "")
    first = pl.when(pl.arange(pl.len()) == 0).then(pl.col("rank") + 1).otherwise("rank")
    moved = changed(short, tmp_path, lambda ranks: ranks.with_columns(rank=first))
    assert rank_again(moved) == RanksCompared(1920, 1, "1 of 1,920 ranks differ from those stored.")


def test_a_small_gap_is_rounding(trial: StoredTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    up = pl.when(pl.arange(pl.len()) < 3).then(pl.col("rank") + 1).otherwise("rank")
    monkeypatch.setattr(
        verification, "score_gaps", lambda *given: np.where(np.isnan(given[-1]), np.nan, 2e-7)
    )
    comparison = rank_again(changed(trial, tmp_path, lambda ranks: ranks.with_columns(rank=up)))
    assert comparison.sentence == (
        "3 of 1,920 ranks differ from those stored, the furthest by 1. "
        "This is rounding: the scores differ by at most 2e-07 of the largest one."
    )


def test_ranks_of_other_users_are_said_to_be_so(trial: StoredTrial, tmp_path: Path) -> None:
    swapped = pl.when(pl.col("user") == "u5").then(pl.lit("u6")).otherwise("user").alias("user")
    comparison = rank_again(changed(trial, tmp_path, lambda ranks: ranks.with_columns(swapped)))
    assert "16 of 1,920 rows of" in comparison.sentence
    comparison = rank_again(changed(trial, tmp_path, lambda ranks: ranks.head(100)))
    assert "has 100 ranks, and 1,920 were expected" in comparison.sentence


def test_ranks_under_an_intervention_are_verified(walks_folder: Path, tmp_path: Path) -> None:
    config = trial_config("lares", max_epochs=1)
    evaluation = config.evaluation.model_copy(update={"interventions": ("zero",)})
    whole = stored(config.model_copy(update={"evaluation": evaluation}), walks_folder, tmp_path)
    comparison = rank_again(whole)
    assert (comparison.ranks, comparison.differing) == (120 * 2 * 4 + 120, 0)
    here = pl.col("intervention").eq("zero") & pl.col("user").eq("u5")
    moved = pl.when(here).then(41 - pl.col("rank")).otherwise("rank")
    changed_folder = tmp_path / "changed"
    changed_folder.mkdir()
    comparison = rank_again(changed(whole, changed_folder, lambda ranks: ranks.with_columns(rank=moved)))
    assert comparison.differing == 1
    assert "They differ only in their ties" in comparison.sentence


def evaluated(trial: StoredTrial, folder: Path, *calls: EvaluationConfig) -> Results:
    """Return a new results folder with the ranks that calls of ``lrbench evaluate`` would have kept."""
    results = Results(folder)
    shutil.copytree(trial.folder, results.trial(trial.record.id))
    for call in calls:
        asked = call.model_copy(update={"latents": "noise"})
        changed, divergence = trial.ranked_with_interventions(asked)
        ranks = pl.concat((trial.ranked_by_depth(asked), changed))
        keep_evaluation(results, trial.record, ranks, divergence, "cpu", {})
    return results


def compared(trial: StoredTrial, results: Results) -> RanksCompared:
    evaluation = read_evaluation(results, trial.record)
    assert evaluation is not None
    return rank_evaluation_again(trial, evaluation)


def test_what_was_ranked_after_a_trial_is_ranked_again(trial: StoredTrial, tmp_path: Path) -> None:
    """The second call replaces a depth with more draws. Depths with the same draws are ranked together."""
    first = EvaluationConfig(depths=(0, 5), draws=1, interventions=("zero", "shuffle"))
    results = evaluated(trial, tmp_path, first, EvaluationConfig(depths=(5, 6), draws=2))
    ranks = 120 * 2 * (1 + 2 * 2) + 120 * 2
    assert compared(trial, results) == RanksCompared(ranks, 0, "")


def test_depths_of_several_calls_draw_their_own_noise(
    trial: StoredTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several chunks of users, what a deeper depth draws comes before the next chunk's noise."""
    monkeypatch.setattr(ranking, "HISTORIES_PER_CHUNK", 50)
    deep = EvaluationConfig(depths=(5, 7))
    apart = evaluated(trial, tmp_path / "apart", EvaluationConfig(depths=(5,)), EvaluationConfig(depths=(7,)))
    together = evaluated(trial, tmp_path / "together", deep)
    for results in (apart, together):
        assert compared(trial, results).differing == 0
    kept = [
        evaluation.read()
        for results in (apart, together)
        if (evaluation := read_evaluation(results, trial.record))
    ]
    assert kept[0].equals(kept[1])
    assert (
        not trial.ranked(deep.model_copy(update={"latents": "noise"}))
        .filter(depth=5)
        .equals(kept[0].filter(depth=5))
    )


@pytest.mark.parametrize("kind", ["none", "zero"])
def test_a_changed_rank_of_a_later_evaluation_is_found(trial: StoredTrial, tmp_path: Path, kind: str) -> None:
    results = evaluated(trial, tmp_path, EvaluationConfig(depths=(5,), interventions=("zero",)))
    evaluation = read_evaluation(results, trial.record)
    assert evaluation is not None
    here = pl.col("intervention").eq(kind) & pl.col("user").eq("u5") & pl.col("split").eq("test")
    moved = pl.when(here).then(41 - pl.col("rank")).otherwise("rank")
    ranks = evaluation.ranks(None).collect().with_columns(rank=moved)
    keep_evaluation(results, trial.record, ranks, {}, "cpu", {})
    found = compared(trial, results)
    assert found.differing == 1
    assert "1 of " in found.sentence


def test_ranks_of_fewer_users_after_a_trial_are_found(trial: StoredTrial, tmp_path: Path) -> None:
    results = evaluated(trial, tmp_path, EvaluationConfig(depths=(5,)))
    evaluation = read_evaluation(results, trial.record)
    assert evaluation is not None
    keep_evaluation(results, trial.record, evaluation.ranks(None).collect().head(200), {}, "cpu", {})
    assert "has 200 ranks, and 240 were expected" in compared(trial, results).sentence
