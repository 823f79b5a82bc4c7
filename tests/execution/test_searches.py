"""Rows of a suite whose searches are not complete yet."""

from pathlib import Path

import pytest
from plans import suite
from small_data import small_dataset

from lrbench.errors import RequestError
from lrbench.execution.rows import resolve_rows
from lrbench.execution.searches import plan_searches, rows_with_settings
from lrbench.store.layout import Results

TUNE = {"trials": 2, "seed": 9, "space": {"dropout": [0.1, 0.3]}}
ERL = {"label": "ERL", "model": "erl", "params": {"width": 8, "inner_width": 8}}


def test_controls_are_fitted_after_their_model_was_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrbench.execution.rows.match", lambda *_: pytest.fail("fitted without settings"))
    dataset = small_dataset(users=20)
    name = dataset.record.name
    made = suite(ERL | {"controls": ["flops-matched"]}, tune=TUNE)
    rows = resolve_rows(made)
    searches = plan_searches(made, rows, {name: "print"})
    found, waiting = rows_with_settings(made, rows, searches, Results(tmp_path), name, dataset)
    assert waiting == ("ERL", "ERL: flops matched")
    assert {row.search for row in found} == {searches[0].config.id}


def test_what_data_cannot_serve_is_refused_before_anything_is_tuned(tmp_path: Path) -> None:
    dataset = small_dataset(users=20)
    name = dataset.record.name
    made = suite({"label": "HSTU", "model": "hstu", "params": {"time_bias": True}}, tune=TUNE)
    rows = resolve_rows(made)
    searches = plan_searches(made, rows, {name: "print"})
    with pytest.raises(RequestError, match="needs times"):
        rows_with_settings(made, rows, searches, Results(tmp_path), name, dataset)
