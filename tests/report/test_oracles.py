"""The best depth per user is shown only beside the oracle of noise, or split over draws."""

from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl
import pytest
from synthetic_results import Made, evaluated_later, make_suite, section_of

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


def best_ndcg(root: Path, suite: SuiteRecord, label: str, draw: int = 0) -> float:
    """Mean over runs and users of the metric at each user's best depth, by one draw."""
    means = []
    for cell in suite.trials:
        if cell.label == label:
            ranks = read_ranks(Results(root).trial(cell.trial)).filter(split="test", draw=draw).collect()
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


def test_both_oracles_are_means_over_equally_many_draws(tmp_path: Path) -> None:
    """The control was ranked with one draw later, at a depth that its model lacks. The oracles stay."""
    suite = suite_of(tmp_path, draws=8, controls=NOISE)
    (before,) = build_report(suite, Results(tmp_path)).oracles
    further = Made("N", 1.0, "lares", depths=(16,))
    for cell in suite.trials:
        if cell.label == "N":
            evaluated_later(tmp_path, further, "sample", cell.seed, cell.trial)
    (after,) = build_report(suite, Results(tmp_path)).oracles
    assert after.draws == 8
    assert after == before


def test_the_fewest_draws_of_both_count(tmp_path: Path) -> None:
    """Where the control has one draw, the model's oracle is that of one draw as well."""
    models = [Made("A", 1.0, "lares", depth=1, depths=DEPTHS, draws=2)]
    models.append(Made("N", 1.0, "lares", depth=1, depths=DEPTHS))
    suite = make_suite(tmp_path, models, proposed=["A"], controls=NOISE)
    (found,) = build_report(suite, Results(tmp_path)).oracles
    assert (found.draws, found.split_oracle) == (1, None)
    first = best_ndcg(tmp_path, suite, "A", draw=0)
    assert found.oracle == pytest.approx(first)
    assert first != pytest.approx(best_ndcg(tmp_path, suite, "A", draw=1))


def test_noise_at_one_common_depth_is_nothing_to_choose_from(tmp_path: Path) -> None:
    models = [Made("A", 1.0, "lares", depth=1, depths=DEPTHS, draws=2)]
    models.append(Made("N", 1.0, "lares", depth=1, depths=(1,), draws=2))
    suite = make_suite(tmp_path, models, proposed=["A"], controls=NOISE)
    (found,) = build_report(suite, Results(tmp_path)).oracles
    assert (found.depths, found.draws, found.noise_oracle) == (DEPTHS, 2, None)
