"""The best depth per user is shown only beside the oracle of noise, or split over draws."""

from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl
import pytest
from synthetic_results import Made, make_suite, section_of

from lrbench.metrics import metric_function
from lrbench.report.build import build_report
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, SuiteRecord
from lrbench.store.trials import read_ranks

DEPTHS = (0, 1, 2)
NOISE = {"N": ControlRecord(of="A", control="noise-only")}


def suite_of(root: Path, draws: int = 1, **changes: Any) -> SuiteRecord:
    models = [Made(label, 1.0, "lares", depth=1, depths=DEPTHS, draws=draws) for label in ("A", "N")]
    return make_suite(root, models, proposed=["A"], **changes)


def best_ndcg(root: Path, suite: SuiteRecord, label: str) -> float:
    """Mean over runs and users of the metric at each user's best depth."""
    means = []
    for cell in suite.trials:
        if cell.label == label:
            ranks = read_ranks(Results(root).trial(cell.trial)).filter(split="test").collect()
            best = ranks.group_by("user").agg(pl.col("rank").min())["rank"]
            means.append(float(metric_function("ndcg@10")(best.to_numpy()).mean()))
    return fmean(means)


def test_without_noise_or_draws_there_is_none(tmp_path: Path) -> None:
    assert build_report(suite_of(tmp_path), Results(tmp_path)).oracles == ()


def test_beside_the_oracle_of_the_noise_control(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, controls=NOISE)
    report = build_report(suite, Results(tmp_path))
    (found,) = report.oracles
    assert found.oracle == pytest.approx(best_ndcg(tmp_path, suite, "A"))
    assert found.noise_oracle == pytest.approx(best_ndcg(tmp_path, suite, "N"))
    assert (found.label, found.draws, found.split_oracle) == ("A", 1, None)
    (row,) = section_of(report, "oracle").tables[0].rows
    assert [cell.text for cell in row[:2]] == ["A", "0–2"]
    assert row[-1].text == "–"


def test_two_draws_are_split(tmp_path: Path) -> None:
    report = build_report(suite_of(tmp_path, draws=2), Results(tmp_path))
    assert {found.label for found in report.oracles} == {"A", "N"}
    for found in report.oracles:
        assert found.noise_oracle is None
        assert found.split_oracle is not None
        assert found.split_oracle == pytest.approx(found.oracle)  # every draw finds the same depth the best
