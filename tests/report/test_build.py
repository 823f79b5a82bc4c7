from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from synthetic_results import QUICKSTART, Made, make_ranks, make_suite, rewrite_ranks, rewrite_record

from lrbench.errors import CheckError, RequestError
from lrbench.metrics import ndcg, recall
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.report import QualityRow, Report
from lrbench.store.evaluations import keep_evaluation
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, SuiteRecord
from lrbench.store.trials import read_record


def row(report: Report, label: str, metric: str = "ndcg@10", dataset: str = "sample") -> QualityRow:
    return next(r for r in report.rows if (r.dataset, r.label, r.metric) == (dataset, label, metric))


def stored_means(root: Path, suite: SuiteRecord, label: str, column: str = "rank") -> list[float]:
    """NDCG@10 of each run, straight from the files."""
    means = []
    for cell in suite.trials:
        if (cell.label, cell.dataset) == (label, "sample"):
            ranks = pl.read_parquet(Results(root).trial(cell.trial) / "ranks.parquet")
            depth = 4 if "LARES" in label else 0
            means.append(float(ndcg(ranks.filter(split="test", depth=depth)[column].to_numpy(), 10).mean()))
    return means


@pytest.mark.parametrize("label", [made.label for made in QUICKSTART])
def test_rows_are_means_over_stored_ranks(root: Path, suite: SuiteRecord, report: Report, label: str) -> None:
    means = stored_means(root, suite, label)
    found = row(report, label)
    assert found.mean == pytest.approx(np.mean(means))
    assert found.sd == pytest.approx(np.std(means, ddof=1) if len(means) > 1 else 0)
    assert (found.n_seeds, found.n_users) == (len(means), 400)


def test_order_of_rows_is_that_of_the_suite(report: Report, suite: SuiteRecord) -> None:
    expected = [
        (dataset, label, metric)
        for dataset in suite.datasets
        for label in suite.labels
        for metric in suite.protocol.metrics
    ]
    assert [(r.dataset, r.label, r.metric) for r in report.rows] == expected


def test_best_second_and_rank(report: Report) -> None:
    column = sorted(
        (r for r in report.rows if (r.dataset, r.metric) == ("sample", "ndcg@10")), key=lambda r: r.rank
    )
    assert [r.label for r in column] == ["LARES", "LARES w/o_RPT & 50%", "SASRec", "Popularity"]
    assert [r.rank for r in column] == [1, 2, 3, 4]
    assert [r.best for r in column] == [True, False, False, False]
    assert [r.second for r in column] == [False, True, False, False]
    assert column[-1].ties_with_best is False


def test_equal_means_share_best(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 1.0), Made("B", 0.5)], proposed=["A"])
    twins = [cell.model_copy(update={"label": "A2"}) for cell in suite.trials if cell.label == "A"]
    suite = suite.model_copy(update={"labels": ("A", "A2", "B"), "trials": (*suite.trials, *twins)})
    report = build_report(suite, Results(tmp_path))
    assert [row(report, label).rank for label in suite.labels] == [1, 1, 2]
    assert [row(report, label).best for label in suite.labels] == [True, True, False]
    assert [row(report, label).second for label in suite.labels] == [False, False, True]


def test_masked_ranks_on_request(root: Path, suite: SuiteRecord) -> None:
    report = build_report(suite, Results(root), ReportOptions(masked=True))
    assert row(report, "SASRec").mean == pytest.approx(
        np.mean(stored_means(root, suite, "SASRec", "rank_masked"))
    )
    assert "unlike the headline" in report.caption[0]


def test_protocol_decides_about_the_mask(root: Path, suite: SuiteRecord) -> None:
    masking = suite.model_copy(update={"protocol": suite.protocol.model_copy(update={"mask_seen": True})})
    report = build_report(masking, Results(root))
    assert report.masked
    assert row(report, "SASRec").mean == pytest.approx(
        np.mean(stored_means(root, suite, "SASRec", "rank_masked"))
    )


def test_metrics_on_request(root: Path, suite: SuiteRecord) -> None:
    report = build_report(suite, Results(root), ReportOptions(metrics=("recall@1", "mrr")))
    assert report.metrics == ("recall@1", "mrr")
    assert {r.metric for r in report.rows} == {"recall@1", "mrr"}
    assert {c.metric for c in report.comparisons} == {"ndcg@10"}
    ranks = pl.read_parquet(Results(root).trial(suite.trials[0].trial) / "ranks.parquet")
    expected = recall(ranks.filter(split="test")["rank"].to_numpy(), 1).mean()
    assert row(report, "Popularity", "recall@1").mean == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ReportOptions(baseline="SASrec"), r'no label "SASrec"\. Did you mean "SASRec"\?'),
        (ReportOptions(metrics=("ndgc@10",)), r'Unknown metric "ndgc@10"\. Did you mean "ndcg@10"\?'),
    ],
)
def test_wrong_requests(root: Path, suite: SuiteRecord, options: ReportOptions, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        build_report(suite, Results(root), options)


def test_percentages_need_a_trial_of_their_row(tmp_path: Path) -> None:
    suite = make_suite(tmp_path)
    for cell in suite.trials:
        if cell.label == "SASRec":
            Results(tmp_path).trial(cell.trial).rename(tmp_path / f"gone-{cell.dataset}-{cell.seed}")
    with pytest.raises(RequestError, match='No trial of the row "SASRec" is finished'):
        build_report(suite, Results(tmp_path), ReportOptions(baseline="SASRec"))


def test_nothing_finished(suite: SuiteRecord, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Suite demo has 20 trials, none finished in"):
        build_report(suite, Results(tmp_path))


def test_missing_trials_leave_a_table_with_fewer_seeds(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, seeds=[1, 2, 3, 4])
    for cell in suite.trials:
        if cell.label == "SASRec" and cell.seed in (2, 3):
            Results(tmp_path).trial(cell.trial).rename(tmp_path / f"gone-{cell.seed}")
    report = build_report(suite, Results(tmp_path))
    assert row(report, "SASRec").n_seeds == report.seen_seeds == 2
    assert row(report, "LARES").n_seeds == 4
    assert (
        report.warnings[0].cause
        == "SASRec on sample lacks the trials of seeds 2 and 3; what is there is shown."
    )
    against = next(c for c in report.comparisons if c.baseline == "SASRec")
    assert against.verdict == "not testable"
    assert (against.family_size, against.awaited) == (3, 1)


def test_a_dataset_without_any_trial_is_left_out(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, datasets=("sample", "ml-100k"))
    for cell in suite.trials:
        if cell.dataset == "ml-100k":
            Results(tmp_path).trial(cell.trial).rename(tmp_path / cell.trial)
    report = build_report(suite, Results(tmp_path))
    assert [note.summary.name for note in report.datasets] == ["sample"]
    assert sum("ml-100k lacks" in warning.cause for warning in report.warnings) == 4


def test_depths_and_their_contrasts(report: Report) -> None:
    points = [p for p in report.depths if (p.dataset, p.label) == ("sample", "LARES")]
    assert [p.depth for p in points] == [0, 1, 2, 4, 8]
    assert [p.depth for p in points if p.reported] == [4]
    assert points[3].mean == pytest.approx(row(report, "LARES").mean)
    assert {p.label for p in report.depths} == {"LARES", "LARES w/o_RPT & 50%"}
    found = next(f for f in report.depth_findings if (f.dataset, f.label) == ("sample", "LARES"))
    assert [(c.depth, c.reference) for c in found.contrasts] == [(4, 0), (4, 1), (8, 4)]
    means = {p.depth: p.mean for p in points}
    for c in found.contrasts:
        assert c.contrast.difference == pytest.approx(means[c.depth] - means[c.reference])
        assert c.contrast.test == "crossed, runs paired"
    assert found.chosen == next(p.depth for p in points if p.chosen)


def test_validation_chooses_the_depth_whatever_the_test_targets_say(tmp_path: Path) -> None:
    rising = Made("A", 1.0, "lares", depth=4, depths=(0, 4), per_doubling=0.4)
    suite = make_suite(tmp_path, [rising], proposed=[])
    first = (pl.col("split") == "valid") & (pl.col("depth") == 0)
    for cell in suite.trials:
        rewrite_ranks(tmp_path, cell.trial, pl.when(first).then(1.0).otherwise("rank").alias("rank"))
    report = build_report(suite, Results(tmp_path))
    (found,) = report.depth_findings
    assert found.chosen == 0
    assert [(point.depth, point.chosen, point.valid_mean == 1.0) for point in report.depths] == [
        (0, True, True),
        (4, False, False),
    ]
    assert report.depths[0].mean < report.depths[1].mean


def test_a_plateau_is_not_called_a_gain_and_its_noise_chooses_nothing(tmp_path: Path) -> None:
    flat = Made("A", 1.0, "lares", depth=4, depths=(0, 1, 2, 4, 8))
    report = build_report(make_suite(tmp_path, [flat], proposed=[]), Results(tmp_path))
    (found,) = report.depth_findings
    assert found.chosen == 0
    assert found.shape == "no depth is shown to differ from the best"
    (warning,) = report.warnings
    assert warning.kind.name == "DEPTH_ZERO"
    assert warning.cause == "Validation would choose depth 0 for A on sample."


def test_a_control_whose_steps_read_noise_is_not_blamed_for_them(tmp_path: Path) -> None:
    flat, model = Made("A: noise only", 1.0, "lares", depth=4, depths=(0, 1, 2, 4, 8)), Made("A")
    controls = {flat.label: ControlRecord(of="A", control="noise-only")}
    report = build_report(make_suite(tmp_path, [model, flat], controls=controls), Results(tmp_path))
    assert [found.chosen for found in report.depth_findings] == [0]
    assert "DEPTH_ZERO" not in [warning.kind.name for warning in report.warnings]


def test_costs_sum_up_stages(report: Report) -> None:
    cost = next(c for c in report.costs if (c.dataset, c.label) == ("sample", "LARES"))
    assert [stage.name for stage in cost.stages] == ["spt", "rpt"]
    assert (cost.steps, cost.epochs) == (680, 24)
    assert cost.train_seconds == pytest.approx(45)


def test_depths_and_batches_that_one_run_did_not_measure_have_no_cost(tmp_path: Path) -> None:
    known = {"flops_by_depth": {0: 10.0, 2: 30.0}, "latency_by_depth": {0: {1: 2.0, 256: 0.5}, 2: {1: 4.0}}}
    suite = make_suite(tmp_path, [Made("A", 1.0, "lares", depth=2, depths=(0, 2), record=known)], proposed=[])
    fewer = {"flops_by_depth": {0: 10.0}, "latency_by_depth": {0: {1: 5.0}}}
    rewrite_record(tmp_path, suite.trials[1].trial, **fewer)
    (cost,) = build_report(suite, Results(tmp_path)).costs
    assert [(each.depth, each.flops_per_user, each.latency) for each in cost.by_depth] == [
        (0, 10.0, {1: 3.0})
    ]


def test_a_stage_that_one_run_took_over_is_marked(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 1.0, "lares")], proposed=[])
    first, second = read_record(Results(tmp_path).trial(suite.trials[2].trial)).stages
    taken = (first.model_copy(update={"trained_in": "another"}), second)
    rewrite_record(tmp_path, suite.trials[2].trial, stages=taken)
    (cost,) = build_report(suite, Results(tmp_path)).costs
    assert [each.reused for each in cost.stages] == [True, False]


def test_nothing_is_seen_where_nothing_is_tested(tmp_path: Path) -> None:
    """Then no look at the results can have decided about more seeds."""
    report = build_report(make_suite(tmp_path, [Made("A"), Made("B")], proposed=[]), Results(tmp_path))
    assert report.seen_seeds == 0


def test_the_memory_of_a_row_is_the_largest_of_its_runs(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A")], proposed=[])
    for cell, size in zip(suite.trials, (3, 9, 5), strict=True):
        rewrite_record(tmp_path, cell.trial, peak_memory_bytes=size)
    (cost,) = build_report(suite, Results(tmp_path)).costs
    assert cost.peak_memory_bytes == 9


def test_a_proposed_row_as_baseline_has_no_percentage_of_its_own(root: Path, suite: SuiteRecord) -> None:
    report = build_report(suite, Results(root), ReportOptions(baseline="LARES"))
    assert row(report, "LARES").relative is None
    expected = row(report, "SASRec").mean / row(report, "LARES").mean - 1
    assert row(report, "SASRec").relative == pytest.approx(expected)


def test_costs_by_depth_are_means_of_runs_that_measured_them(tmp_path: Path) -> None:
    known = {"flops_by_depth": {0: 10.0, 2: 30.0}, "latency_by_depth": {0: {1: 2.0}, 2: {1: 4.0, 256: 0.5}}}
    models = [Made("A", 1.0, "lares", depth=2, depths=(0, 2), record=known), Made("B")]
    costs = {
        cost.label: cost
        for cost in build_report(make_suite(tmp_path, models, proposed=[]), Results(tmp_path)).costs
    }
    assert [(cost.depth, cost.flops_per_user, cost.latency) for cost in costs["A"].by_depth] == [
        (0, 10.0, {1: 2.0}),
        (2, 30.0, {1: 4.0, 256: 0.5}),
    ]
    assert costs["B"].by_depth == ()


def test_trials_on_other_targets_are_refused(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A"), Made("B")], proposed=[])
    path = Results(tmp_path).trial(suite.trials[-1].trial) / "ranks.parquet"
    pl.read_parquet(path).with_columns(pl.lit("i1").alias("target")).write_parquet(path)
    with pytest.raises(CheckError, match="are not on the same targets"):
        build_report(suite, Results(tmp_path))


def test_a_depth_without_validation_ranks_is_not_shown(tmp_path: Path) -> None:
    """``lrbench evaluate`` ranks both splits, but an archive of other software may hold one of them."""
    made = Made("LARES", 1.7, "lares", depth=4, depths=(0, 4))
    suite = make_suite(tmp_path, (Made("SASRec", 1.0), made))
    results = Results(tmp_path)
    for cell in suite.trials:
        if cell.label == "LARES":
            ranks = make_ranks(replace(made, depths=(16,)), "sample", cell.seed).filter(split="test")
            keep_evaluation(results, read_record(results.trial(cell.trial)), ranks, {}, "cpu", {})
    assert {point.depth for point in build_report(suite, results).depths} == {0, 4}
