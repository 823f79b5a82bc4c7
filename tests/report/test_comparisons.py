from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from synthetic_results import Made, make_suite

from lrbench.report.build import ReportOptions, build_report
from lrbench.report.comparisons import SAME_TRIALS
from lrbench.report.report import Report
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics
from lrbench.store.frames import aligned_ranks, finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord


def test_family_is_proposed_times_the_others_times_datasets(report: Report) -> None:
    found = [(c.dataset, c.proposed, c.baseline, c.metric) for c in report.comparisons]
    assert found == [
        (dataset, "LARES", label, "ndcg@10")
        for dataset in ("sample", "amazon-2014-beauty")
        for label in ("Popularity", "SASRec", "LARES w/o_RPT & 50%")
    ]
    assert {c.family_size for c in report.comparisons} == {6}
    assert all(c.confirmatory for c in report.comparisons)


def test_several_proposed_are_not_compared_with_each_other(root: Path, suite: SuiteRecord) -> None:
    two = suite.model_copy(update={"proposed": ("LARES", "LARES w/o_RPT & 50%"), "datasets": ("sample",)})
    report = build_report(two, Results(root))
    assert [(c.proposed, c.baseline) for c in report.comparisons] == [
        (proposed, baseline) for proposed in two.proposed for baseline in ("Popularity", "SASRec")
    ]


def test_p_values_are_those_of_the_crossed_test_under_holm(
    root: Path, suite: SuiteRecord, report: Report
) -> None:
    raw = []
    finished, _ = finished_trials(suite, Results(root))
    for comparison in report.comparisons:
        here = [trial for trial in finished if trial.cell.dataset == comparison.dataset]
        ranks = aligned_ranks(here, masked=False)
        sides = []
        for label in (comparison.proposed, comparison.baseline):
            runs = [trial.record for trial in here if trial.cell.label == label]
            values = ranks.metric([run.id for run in runs], runs[0].depth, "ndcg@10")
            sides.append(UserMetrics(values, runs[0].deterministic))
        raw.append(crossed(*sides).p)
    assert [c.contrast.p for c in report.comparisons] == pytest.approx(raw)
    assert [c.p_adjusted for c in report.comparisons] == pytest.approx(multipletests(raw, method="holm")[1])


def test_verdicts_follow_the_adjusted_p(report: Report) -> None:
    for comparison in report.comparisons:
        significant = comparison.p_adjusted <= 0.05
        assert (comparison.verdict in ("better", "worse")) == significant
    assert {c.verdict for c in report.comparisons if c.baseline == "Popularity"} == {"better"}


def test_a_worse_proposal_is_called_worse(root: Path, suite: SuiteRecord) -> None:
    report = build_report(suite.model_copy(update={"proposed": ("SASRec",)}), Results(root))
    verdicts = {(c.dataset, c.baseline): c.verdict for c in report.comparisons}
    assert verdicts["sample", "LARES"] == "worse"
    assert verdicts["sample", "Popularity"] == "better"


def test_two_labels_of_the_same_trials_are_no_comparison(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 1.0), Made("B", 0.5)], proposed=["A"])
    twins = [cell.model_copy(update={"label": "A2"}) for cell in suite.trials if cell.label == "A"]
    suite = suite.model_copy(update={"labels": ("A", "A2", "B"), "trials": (*suite.trials, *twins)})
    twin, other = build_report(suite, Results(tmp_path)).comparisons
    assert (twin.contrast.reason, twin.verdict) == (SAME_TRIALS, "not testable")
    assert (twin.relative.value, twin.checks) == (0.0, None)
    assert np.isnan([twin.relative.low, twin.relative.high, *twin.contrast.interval()]).all()
    assert twin.family_size == other.family_size == 1
    assert other.p_adjusted == other.contrast.p


def test_two_seeds_are_not_testable(tmp_path: Path) -> None:
    report = build_report(make_suite(tmp_path, seeds=[1, 2]), Results(tmp_path))
    assert {c.verdict for c in report.comparisons} == {"not testable"}
    assert all(np.isnan(c.p_adjusted) for c in report.comparisons)
    assert {r.ties_with_best for r in report.rows if not r.best} == {None}


def test_equivalent_models_are_called_so(tmp_path: Path) -> None:
    # Runs spread so much that twenty of them pin the difference down to well below one seed SD.
    models = [Made(label, 1.0, luck=0.4, match=0.0) for label in ("A", "B")]
    suite = make_suite(tmp_path, models, seeds=range(20), proposed=["A"])
    (comparison,) = build_report(suite, Results(tmp_path)).comparisons
    assert comparison.verdict == "equivalent"


def test_other_metrics_are_descriptive_under_benjamini_and_hochberg(report: Report) -> None:
    assert {c.metric for c in report.descriptive} == set(report.metrics) - {"ndcg@10"}
    assert not any(c.confirmatory or c.checks for c in report.descriptive)
    raw = [c.contrast.p for c in report.descriptive]
    assert [c.p_adjusted for c in report.descriptive] == pytest.approx(multipletests(raw, method="fdr_bh")[1])


def test_baseline_adds_differences_that_are_not_there_yet(root: Path, suite: SuiteRecord) -> None:
    report = build_report(suite, Results(root), ReportOptions(metrics=("ndcg@10",), baseline="SASRec"))
    found = [(c.dataset, c.proposed, c.baseline) for c in report.descriptive]
    assert found == [
        (dataset, label, "SASRec")
        for dataset in suite.datasets
        for label in ("Popularity", "LARES w/o_RPT & 50%")
    ]
    assert len(report.comparisons) == 6


def test_cross_checks_agree_with_clear_findings(report: Report) -> None:
    for comparison in report.comparisons:
        assert comparison.checks is not None
        if comparison.contrast.p < 1e-3:
            assert comparison.checks.p_users < 0.01
            assert comparison.checks.p_users_randomised < 0.01
            assert comparison.checks.bootstrap_low > 0
        assert np.isnan(comparison.checks.p_seeds_exact)  # three seeds cannot reach the level


def test_a_report_is_the_same_twice(root: Path, suite: SuiteRecord, report: Report) -> None:
    again = build_report(suite, Results(root))
    assert repr(again) == repr(report)  # by text, since an unknown number equals nothing
