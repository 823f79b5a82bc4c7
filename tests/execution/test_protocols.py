"""Protocols in rows, plans and trials: what a row trains on, and what is refused before anything trains."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from small_data import order, small_dataset, trial_config

from lrbench.config.accounts import Accounts
from lrbench.config.protocol import PROTOCOLS, Protocol
from lrbench.config.suite import resolve_suite
from lrbench.config.suite_file import SuiteFile
from lrbench.config.trial import TrialConfig
from lrbench.errors import RequestError
from lrbench.execution.fitted_rows import match_rows
from lrbench.execution.plan import make_plan
from lrbench.execution.rows import Row, resolve_rows
from lrbench.execution.trial import run_trial
from lrbench.store.layout import Results
from lrbench.store.trials import read_ranks, read_record

SHARED = PROTOCOLS["shared-merge"]


def rows(*models: dict[str, Any], **fields: Any) -> tuple[Row, ...]:
    base = {"name": "s", "protocol": "shared-merge", "datasets": ["walks"], "models": models}
    return resolve_rows(resolve_suite(SuiteFile.model_validate(base | fields), "test.toml"))


def ran(config: TrialConfig, protocol: Protocol, data: Path, results: Path) -> Path:
    config = config.model_copy(update={"protocol": protocol})
    run_trial(order(config, data, results), lambda report: None)
    return Results(results).trial(config.id)


@pytest.mark.parametrize("model", ["sasrec", pytest.param("lares", marks=pytest.mark.slow)])
def test_accounts_of_one_are_trained_and_ranked_bit_for_bit_like_users(
    model: str, walks_folder: Path, tmp_path: Path
) -> None:
    config = trial_config(model, max_epochs=2)
    alone = SHARED.sharing(Accounts(size="fixed-1", align="end", seed=4))
    plain, single = (
        ran(config, protocol, walks_folder, tmp_path) for protocol in (PROTOCOLS["loo-50"], alone)
    )
    assert plain != single
    assert read_ranks(single).collect().equals(read_ranks(plain).collect())
    weights = [load_file(folder / "weights.safetensors") for folder in (plain, single)]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_shared_accounts_rank_the_same_users_and_targets(walks_folder: Path, tmp_path: Path) -> None:
    config = trial_config(max_epochs=1)
    plain, shared = (
        ran(config, protocol, walks_folder, tmp_path) for protocol in (PROTOCOLS["loo-50"], SHARED)
    )
    columns = ("split", "user", "target", "depth", "draw")
    frames = [read_ranks(folder).select(columns).collect() for folder in (plain, shared)]
    assert frames[0].equals(frames[1])
    record = read_record(shared)
    assert record.protocol == SHARED
    assert record.id != read_record(plain).id


def test_every_choice_of_accounts_makes_another_trial() -> None:
    config = trial_config()
    changes = {"seed": 1, "size": "mixed", "partners": "unlike", "align": "end", "scope": "account"}
    choices = [Accounts(), *(Accounts(**{name: value}) for name, value in changes.items())]
    ids = {config.model_copy(update={"protocol": SHARED.sharing(choice)}).id for choice in choices}
    assert len(ids) == len(choices)


def test_rows_have_protocols_of_their_own() -> None:
    found = rows(
        {"label": "merged", "model": "sasrec"},
        {"label": "unmerged", "model": "sasrec", "accounts": {"size": "fixed-1"}},
    )
    assert {row.label: row.protocol.max_length for row in found} == {"merged": 100, "unmerged": 50}
    table = {"name": "s", "protocol": "shared-merge", "datasets": ["walks"]}
    file = SuiteFile.model_validate(table | {"models": [{"label": "a", "model": "popularity"}]})
    plan = make_plan(resolve_suite(file, "test.toml"), found, {"walks": "f"})
    accounts = {trial.labels: trial.config.protocol.accounts for trial in plan.trials}
    assert accounts[("unmerged",)] == Accounts(size="fixed-1")
    assert accounts[("merged",)] == Accounts()


def test_rows_with_other_targets_are_refused() -> None:
    with pytest.raises(RequestError, match="All rows of a suite must have the same targets"):
        rows(
            {"label": "A", "model": "sasrec"},
            {"label": "B", "model": "sasrec", "accounts": {"size": "fixed-3"}},
            accounts={"scope": "account"},
        )
    with pytest.raises(RequestError, match=r'"A".*loo-20 makes no accounts'):
        rows({"label": "A", "model": "sasrec", "accounts": {"size": "fixed-3"}}, protocol="loo-20")


def test_what_a_dataset_cannot_support_is_refused_by_name() -> None:
    few = rows({"label": "A", "model": "sasrec"}, accounts={"size": "fixed-3"})
    with pytest.raises(RequestError, match="walks: Accounts of 3 members cannot be made from 2 users"):
        match_rows(few, small_dataset(users=2))
    timed = rows({"label": "A", "model": "sasrec"}, protocol="time-50")
    with pytest.raises(RequestError, match=r"walks: The protocol time-50 splits .* has no times"):
        match_rows(timed, small_dataset())


def test_merged_clocks_of_users_are_no_times() -> None:
    """HSTU's time bias needs times; those of different users cannot be put in one order."""
    dataset = small_dataset()
    times = np.arange(len(dataset.sequences.items))
    clocks = replace(dataset, sequences=replace(dataset.sequences, times=times, own_clocks=True))
    table = {"label": "H", "model": "hstu", "params": {"time_bias": True}}
    assert match_rows(rows(table | {"accounts": {"size": "fixed-1"}}), clocks)
    assert match_rows(rows(table | {"accounts": {"align": "end"}}), clocks)
    with pytest.raises(RequestError, match='"H" needs times'):
        match_rows(rows(table), clocks)


def test_an_oracle_of_members_needs_accounts() -> None:
    oracle = {"label": "O", "model": "disenreason", "params": {"membership": "known"}}
    assert match_rows(rows(oracle), small_dataset())
    with pytest.raises(
        RequestError, match='"O" needs to know which user each interaction belongs to, and loo-50 does not'
    ):
        match_rows(rows(oracle, protocol="loo-50"), small_dataset())
