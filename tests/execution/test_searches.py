"""Rows of a suite whose searches are not complete yet."""

from pathlib import Path

import pytest
from plans import suite
from small_data import small_dataset

from lrbench.config.rerun import Rerun
from lrbench.errors import RequestError
from lrbench.execution.rows import resolve_rows
from lrbench.execution.searches import plan_searches, rows_with_settings, select_searches
from lrbench.store.layout import Results

TUNE = {"trials": 2, "seed": 9, "space": {"dropout": [0.1, 0.3]}}
ERL = {"label": "ERL", "model": "erl", "params": {"width": 8, "inner_width": 8}}


def test_controls_are_fitted_after_their_model_was_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "lrbench.execution.fitted_rows.match", lambda *_: pytest.fail("fitted without settings")
    )
    dataset = small_dataset(users=20)
    name = dataset.record.name
    made = suite(ERL | {"controls": ["flops-matched"]}, tune=TUNE)
    rows = resolve_rows(made)
    searches = plan_searches(made, rows, {name: "print"})
    found, waiting = rows_with_settings(made, rows, searches, Results(tmp_path), name, dataset)
    assert waiting == ("ERL", "ERL: flops matched")
    assert {row.search for row in found} == {searches[0].config.id}


def test_a_control_with_a_search_of_its_own_waits_for_that_alone(tmp_path: Path) -> None:
    dataset, results = small_dataset(users=20), Results(tmp_path)
    name = dataset.record.name
    made = suite(ERL | {"controls": ["no-reasoning", "noise-only"]}, tune=TUNE | {"controls": "own"})
    rows = resolve_rows(made)
    searches = plan_searches(made, rows, {name: "print"})
    own = {label: search.config.id for search in searches for label in search.labels}
    found, waiting = rows_with_settings(made, rows, searches, results, name, dataset)
    assert waiting == ("ERL", "ERL: no reasoning", "ERL: noise only")
    assert [row.search for row in found] == [own["ERL"], own["ERL: no reasoning"], own["ERL"]]
    for label, searched in (("ERL: no reasoning", "ERL: no reasoning"), ("ERL: noise only", "ERL")):
        (wanted,) = select_searches(searches, rows, results, [label], Rerun.missing)
        assert wanted.config.id == own[searched]


def test_what_data_cannot_serve_is_refused_before_anything_is_tuned(tmp_path: Path) -> None:
    dataset = small_dataset(users=20)
    name = dataset.record.name
    made = suite({"label": "HSTU", "model": "hstu", "params": {"time_bias": True}}, tune=TUNE)
    rows = resolve_rows(made)
    searches = plan_searches(made, rows, {name: "print"})
    with pytest.raises(RequestError, match="needs times"):
        rows_with_settings(made, rows, searches, Results(tmp_path), name, dataset)
