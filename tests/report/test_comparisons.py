import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests
from synthetic_results import Made, make_suite, section_of

from lrbench.report.across import combine_datasets
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.comparisons import SAME_RANKS
from lrbench.report.findings import Comparison
from lrbench.report.report import QualityRow, Report
from lrbench.stats.crossed import crossed
from lrbench.stats.power import minimum_detectable
from lrbench.stats.user_metrics import UserMetrics
from lrbench.store.alignment import aligned_ranks
from lrbench.store.frames import finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, SuiteRecord


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
    assert (twin.contrast.reason, twin.verdict) == (SAME_RANKS, "not testable")
    assert (twin.relative.value, twin.checks) == (0.0, None)
    assert np.isnan([twin.relative.low, twin.relative.high, *twin.contrast.interval()]).all()
    assert (twin.same_ranks, other.same_ranks) == (True, False)
    assert twin.family_size == other.family_size == 1
    assert other.p_adjusted == other.contrast.p


def test_two_seeds_are_not_testable(tmp_path: Path) -> None:
    report = build_report(make_suite(tmp_path, seeds=[1, 2]), Results(tmp_path))
    assert {c.verdict for c in report.comparisons} == {"not testable"}
    assert all(np.isnan(c.p_adjusted) for c in report.comparisons)
    assert {r.ties_with_best for r in report.rows if not r.best} == {None}


def compared(root: Path, *models: Made, **options: Any) -> Comparison:
    suite = make_suite(root, models, proposed=["A"], **options)
    return build_report(suite, Results(root)).comparisons[0]


def test_equivalence_is_by_a_margin_that_no_bad_run_widens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrbench.stats.seeds.MOST_SPLITS", 1000)  # permutations of 20 runs are not looked at
    alike = [Made(label, 1.0, luck=0.0, match=0.0) for label in ("A", "B")]
    found = compared(tmp_path / "wide", *alike, seeds=range(8), margin=0.2)
    assert (found.verdict, found.equivalence.equivalent) == ("equivalent", True)
    means = {row.label: row.mean for row in _rows(tmp_path / "wide", alike)}
    assert found.equivalence.margin == pytest.approx(0.2 * means["B"])
    # With the spread of the baseline's runs as margin, these two would count as equivalent.
    spread = [Made(label, 1.0, luck=0.4, match=0.0) for label in ("A", "B")]
    found = compared(tmp_path / "lucky", *spread, seeds=range(20))
    assert found.verdict == "cannot show equivalence with these runs"


def _rows(root: Path, models: list[Made]) -> list[QualityRow]:
    report = build_report(make_suite(root, models, proposed=["A"], seeds=range(8)), Results(root))
    return [row for row in report.rows if row.metric == "ndcg@10"]


def test_three_seeds_cannot_show_equivalence_and_say_what_they_would_have_shown(tmp_path: Path) -> None:
    found = compared(tmp_path, Made("A", 1.0), Made("B", 1.0))
    assert found.verdict == "cannot show equivalence with these runs"
    low, high = found.contrast.interval(0.9)
    assert found.equivalence.shown == pytest.approx(max(abs(low), abs(high)))


def test_within_reach_but_not_inside_is_inconclusive(tmp_path: Path) -> None:
    models = (Made("A", 1.1), Made("B", 1.0))
    first = compared(tmp_path / "a", *models)
    between = (first.equivalence.reach + first.equivalence.shown) / 2
    margin = 0.02 * between / first.equivalence.margin
    assert compared(tmp_path / "b", *models, margin=margin).verdict == "inconclusive"


STAGES = (
    Made("A", 1.1, "lares", recipe="LARES", match=0.05),
    Made("B", 1.0, "lares", recipe="LARES", match=0.05, stages=("spt",)),
)


def test_runs_that_share_a_stage_are_paired(tmp_path: Path) -> None:
    found = compared(tmp_path, *STAGES)
    assert found.contrast.test == "crossed, runs paired"
    assert found.variance is not None
    assert not found.variance.dependent
    apart = compared(tmp_path / "apart", *(replace(made, recipe="") for made in STAGES))
    assert apart.contrast.test == "crossed"
    assert found.contrast.standard_error < apart.contrast.standard_error / 2


def test_paired_runs_are_matched_by_seed_whatever_the_order_of_cells(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, STAGES, proposed=["A"])
    turned = suite.model_copy(update={"trials": (*suite.trials[2::-1], *suite.trials[3:])})
    first, second = (build_report(record, Results(tmp_path)).comparisons[0] for record in (suite, turned))
    assert first.contrast.p == pytest.approx(second.contrast.p)


def test_means_of_paired_runs_are_over_the_common_seeds(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, STAGES, proposed=["A"], seeds=range(1, 6))
    for cell in suite.trials:
        if cell.label == "B" and cell.seed > 3:
            Results(tmp_path).trial(cell.trial).rename(tmp_path / f"gone-{cell.seed}")
    report = build_report(suite, Results(tmp_path))
    (found,) = report.comparisons
    assert found.contrast.paired
    assert found.proposed_mean - found.baseline_mean == pytest.approx(found.contrast.difference)
    assert found.proposed_mean not in [row.mean for row in report.rows]


def test_the_caption_names_paired_runs(tmp_path: Path) -> None:
    report = build_report(make_suite(tmp_path, STAGES, proposed=["A"]), Results(tmp_path))
    assert "compared run by run (“crossed, runs paired”): A with B." in " ".join(report.caption)


def test_runs_that_share_luck_without_a_common_stage_are_warned_of(tmp_path: Path) -> None:
    models = (Made("A", 1.1, recipe="one", match=0.0), Made("B", 1.0, "other", recipe="one", match=0.0))
    report = build_report(make_suite(tmp_path, models, proposed=["A"]), Results(tmp_path))
    assert report.comparisons[0].contrast.test == "crossed"
    assert "dependent_runs" in {warning.kind.name.lower() for warning in report.warnings}


def with_twin(root: Path, label: str, models: Sequence[Made], **changes: Any) -> Report:
    """A suite in which a label appears a second time, under the name "twin"."""
    suite = make_suite(root, models, proposed=["A"])
    cells = [cell.model_copy(update={"label": "twin"}) for cell in suite.trials if cell.label == label]
    update = {"labels": (*suite.labels, "twin"), "trials": (*suite.trials, *cells), **changes}
    return build_report(suite.model_copy(update=update), Results(root))


CLOSE = (Made("A", 1.25), Made("B", 1.0), Made("C", 0.0))


def test_one_set_of_ranks_under_two_labels_is_one_hypothesis(tmp_path: Path) -> None:
    alone = build_report(make_suite(tmp_path, CLOSE, proposed=["A"]), Results(tmp_path))
    twice = with_twin(tmp_path, "B", CLOSE)
    p = {c.baseline: c.p_adjusted for c in twice.comparisons}
    assert {c.family_size for c in twice.comparisons} == {2}
    assert p["twin"] == p["B"] == alone.comparisons[0].p_adjusted
    assert "after Holm over 2 of 3 comparisons, as 1 repeats another." in " ".join(twice.caption)
    itself = with_twin(tmp_path / "itself", "A", CLOSE)
    assert "after Holm over the 2 testable of 3 comparisons." in " ".join(itself.caption)


def test_repeated_and_untestable_comparisons_are_counted_apart(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, CLOSE, proposed=["A"])
    twins = {"A": "A2", "B": "B2"}
    cells = [c.model_copy(update={"label": twins[c.label]}) for c in suite.trials if c.label in twins]
    update = {"labels": (*suite.labels, *twins.values()), "trials": (*suite.trials, *cells)}
    said = " ".join(build_report(suite.model_copy(update=update), Results(tmp_path)).caption)
    assert "after Holm over 2 of 4 comparisons, as 1 repeats another, and 1 is not testable." in said


def test_one_set_of_ranks_is_one_row(tmp_path: Path) -> None:
    report = with_twin(tmp_path, "B", CLOSE)
    quality = section_of(report, "quality")
    assert [row[0].text for row in quality.tables[0].rows] == ["A", "B (= twin)", "C"]
    comparison = section_of(report, "comparison")
    assert [row[0].text for row in comparison.tables[0].rows] == ["B (= twin)", "C"]
    assert {row.same_as for row in report.rows if row.label == "twin"} == {"B"}
    assert {row.rank for row in report.rows if row.label == "C" and row.metric == "ndcg@10"} == {3}


def test_a_control_that_is_a_baseline_is_shown_as_the_baseline(tmp_path: Path) -> None:
    controls = {"B": ControlRecord(of="A", control="parameter-matched")}
    report = with_twin(tmp_path, "B", CLOSE, controls=controls)
    quality = section_of(report, "quality")
    names = [row[0].text for row in quality.tables[0].rows]
    assert names == ["A", "C", "twin (= A's parameter-matched control)"]
    assert {(c.family, c.baseline) for c in report.comparisons} == {
        ("systems", "C"),
        ("systems", "twin"),
        ("reasoning", "B"),
    }


CONTROLLED = {
    "N": ControlRecord(of="A", control="no-reasoning"),
    "M": ControlRecord(of="B", control="no-reasoning"),
}


def controlled(root: Path, **changes: Any) -> Report:
    models = (Made("A", 1.5), Made("N", 1.0), Made("B", 1.0), Made("M", 0.5), Made("C", 0.0))
    suite = make_suite(root, models, proposed=["A"], controls=CONTROLLED, **changes)
    return build_report(suite, Results(root))


def test_systems_and_controls_are_two_families_each_under_its_own_holm(tmp_path: Path) -> None:
    report = controlled(tmp_path)
    assert [(f.name, f.against, f.size) for f in report.families] == [
        ("systems", ("B", "C"), 2),
        ("reasoning", ("N",), 1),
    ]
    for family in report.families:
        members = [c for c in report.comparisons if c.family == family.name]
        raw = [c.contrast.p for c in members]
        expected = multipletests(raw, method="holm")[1]
        assert [c.p_adjusted for c in members] == pytest.approx(expected)
    text = " ".join(report.caption)
    assert "Family “systems”: A × every label that is neither proposed nor a control × 1 dataset" in text
    assert "Family “reasoning”: A × its own controls × 1 dataset on NDCG@10; after Holm over the 1" in text


def test_against_names_the_systems(tmp_path: Path) -> None:
    report = controlled(tmp_path, against=("C",))
    assert [(c.family, c.baseline) for c in report.comparisons] == [("systems", "C"), ("reasoning", "N")]
    assert "Family “systems”: A × C × 1 dataset" in " ".join(report.caption)


def test_detectable_is_at_the_level_of_the_family(tmp_path: Path) -> None:
    for comparison in controlled(tmp_path).comparisons:
        level = 0.05 / comparison.family_size
        assert comparison.minimum_detectable == minimum_detectable(comparison.contrast, level)


def test_nothing_is_marked_before_all_trials_are_there(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, (Made("A", 2.0), Made("B", 0.0)), proposed=["A"], seeds=(1, 2, 3, 4))
    whole = build_report(suite, Results(tmp_path))
    assert marks(whole) == "†"
    Results(tmp_path).trial(suite.trials[0].trial).rename(tmp_path / "gone")
    report = build_report(suite, Results(tmp_path))
    assert report.interim
    assert marks(report) == ""
    assert "Interim: trials are missing, so there are no daggers" in " ".join(report.caption)
    assert section_of(report, "comparison").heading == "Declared comparisons (interim)"


def test_nothing_is_marked_before_all_rows_have_begun(tmp_path: Path) -> None:
    """A row that waits for the search for its settings has no trials that could be missing."""
    suite = make_suite(tmp_path, (Made("A", 2.0), Made("B", 0.0)), proposed=["A", "C"])
    waiting = suite.model_copy(update={"labels": ("A", "B", "C")})
    report = build_report(waiting, Results(tmp_path))
    assert report.interim
    assert marks(report) == ""
    (warning,) = report.warnings
    assert warning.cause == "C on sample has no trials yet; there is nothing to show."
    assert warning.remedy == f"Run them: lrbench run SUITE.toml --results {tmp_path} --rerun missing"


def test_rows_without_results_count_in_holm(tmp_path: Path) -> None:
    """Else an interim p-value is over few comparisons, and rises when others come."""
    models = (Made("A", 1.15), Made("B", 1.0), Made("C", 1.1))
    declared = make_suite(tmp_path, models, proposed=["A"])
    whole = build_report(declared, Results(tmp_path))
    begun = [cell for cell in declared.trials if cell.label != "C"]
    waiting = declared.model_copy(update={"trials": tuple(begun)})
    report = build_report(waiting, Results(tmp_path))
    (early,) = report.comparisons
    late = next(c for c in whole.comparisons if c.baseline == "B")
    assert (early.family_size, early.awaited, late.family_size, late.awaited) == (2, 1, 2, 0)
    assert [family.comparisons for family in report.families] == [2]
    assert early.p_adjusted == pytest.approx(2 * late.contrast.p)
    assert late.p_adjusted <= early.p_adjusted
    assert early.minimum_detectable == late.minimum_detectable
    assert "after Holm over 2 comparisons, of which 1 waits for runs and counts as p = 1" in " ".join(
        report.caption
    )


def test_the_runs_of_an_incomplete_row_do_not_raise_the_p_of_complete_ones(tmp_path: Path) -> None:
    """C has three of five seeds, and D none. Whatever their other runs say, B's p-value falls or stays."""
    models = (Made("A", 1.12), Made("B", 1.0), Made("C", 0.9), Made("D", 0.5))
    suite = make_suite(tmp_path, models, proposed=["A"], seeds=range(1, 6))
    whole = {c.baseline: c for c in build_report(suite, Results(tmp_path)).comparisons}
    for cell in suite.trials:
        if cell.label == "D" or (cell.label == "C" and cell.seed > 3):
            Results(tmp_path).trial(cell.trial).rename(tmp_path / f"gone-{cell.label}{cell.seed}")
    early = {c.baseline: c for c in build_report(suite, Results(tmp_path)).comparisons}
    assert (early["B"].family_size, early["B"].awaited) == (3, 2)
    assert early["B"].p_adjusted == pytest.approx(min(1.0, 3 * early["B"].contrast.p))
    assert early["C"].p_adjusted == pytest.approx(min(1.0, 3 * early["C"].contrast.p))
    assert whole["B"].p_adjusted <= early["B"].p_adjusted


def test_all_comparisons_of_an_incomplete_proposed_row_wait(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, CLOSE, proposed=["A"], seeds=range(1, 6))
    for cell in suite.trials:
        if cell.label == "A" and cell.seed > 3:
            Results(tmp_path).trial(cell.trial).rename(tmp_path / f"gone-{cell.seed}")
    for found in build_report(suite, Results(tmp_path)).comparisons:
        assert (found.family_size, found.awaited) == (2, 2)
        assert found.p_adjusted == pytest.approx(min(1.0, 2 * found.contrast.p))


def test_two_labels_that_are_proposed_against_each_other_are_one_hypothesis(tmp_path: Path) -> None:
    models = (Made("A", 1.12), Made("B", 1.0))
    suite = make_suite(tmp_path, models, proposed=["A", "B"], against=("A", "B"))
    one, other = build_report(suite, Results(tmp_path)).comparisons
    assert one.p_adjusted == pytest.approx(one.contrast.p)
    assert other.p_adjusted == pytest.approx(one.p_adjusted)
    assert one.family_size == 1


def test_a_row_that_was_run_with_fewer_seeds_makes_it_interim(tmp_path: Path) -> None:
    """Parts of a suite may have other seeds. In one of them a row may still wait for its search."""
    suite = make_suite(tmp_path, (Made("A", 2.0), Made("B", 0.0), Made("C", 0.0)), proposed=["A"])
    cells = [cell for cell in suite.trials if cell.label != "C" or cell.seed < 3]
    report = build_report(suite.model_copy(update={"trials": tuple(cells)}), Results(tmp_path))
    assert report.interim
    assert marks(report) == ""
    assert "C on sample was never run with seed 3 of the suite." in [w.cause for w in report.warnings]


def test_a_family_whose_rows_all_wait_is_not_testable(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, (Made("A", 1.1), Made("B", 1.0)), proposed=["A"], seeds=(1,))
    more = suite.model_copy(update={"seeds": (1, 2, 3)})
    report = build_report(more, Results(tmp_path))
    (family,) = report.families
    assert (family.size, family.awaited, family.testable) == (1, 1, 0)
    assert "1 comparisons" not in " ".join(report.caption)
    assert "not testable (" in " ".join(report.caption)


def marks(report: Report) -> str:
    """All daggers of the table of quality."""
    rows = section_of(report, "quality").tables[0].rows
    return "".join(cell.marks for row in rows for cell in row).strip("≈?")


def test_the_mean_over_these_datasets_and_others_like_them(tmp_path: Path) -> None:
    datasets = ("sample", "ml-100k", "ml-1m")
    suite = make_suite(tmp_path, (Made("A", 1.5), Made("B", 1.0)), datasets=datasets, proposed=["A"])
    report = build_report(suite, Results(tmp_path))
    (found,) = report.across
    relative = [c.relative for c in report.comparisons]
    assert found.these.mean == pytest.approx(np.expm1(np.mean([np.log1p(r.value) for r in relative])))
    assert found.others is not None
    assert min(r.value for r in relative) < found.others.mean < max(r.value for r in relative)
    assert (found.datasets, found.baseline) == (3, "B")
    assert section_of(report, "across").columns[-1] == "spread"


def test_two_datasets_say_nothing_of_others(tmp_path: Path) -> None:
    suite = make_suite(
        tmp_path, (Made("A", 1.5), Made("B", 1.0)), datasets=("sample", "ml-100k"), proposed=["A"]
    )
    report = build_report(suite, Results(tmp_path))
    (found,) = report.across
    assert (found.datasets, found.others) == (2, None)
    assert found.these.low < found.these.mean < found.these.high
    section = section_of(report, "across")
    assert {len(row) for row in section.tables[0].rows} == {len(section.columns)}
    assert "spread" not in section.columns
    one = suite.model_copy(update={"datasets": ("sample",)})
    assert build_report(one, Results(tmp_path)).across == ()


def test_means_over_datasets_are_corrected_within_their_family(tmp_path: Path) -> None:
    """D has the trials of C, so both are one hypothesis. E waits for its runs on the second dataset."""
    rows = (Made("A", 1.5), Made("B", 1.4), Made("C", 1.4), Made("E", 1.0))
    suite = make_suite(tmp_path, rows, datasets=("sample", "ml-100k"), proposed=["A"])
    begun = [cell for cell in suite.trials if (cell.label, cell.dataset) != ("E", "ml-100k")]
    twins = [cell.model_copy(update={"label": "D"}) for cell in begun if cell.label == "C"]
    changes = {"trials": (*begun, *twins), "labels": (*suite.labels, "D")}
    report = build_report(suite.model_copy(update=changes), Results(tmp_path))
    found = {each.baseline: each for each in report.across}
    assert list(found) == ["B", "C", "D"]
    assert found["C"].these == found["D"].these
    first, second = sorted((found["B"], found["C"]), key=lambda each: each.these.p)
    assert first.p_adjusted == pytest.approx(min(1, 3 * first.these.p))
    assert second.p_adjusted == pytest.approx(min(1, max(3 * first.these.p, 2 * second.these.p)))
    assert found["D"].p_adjusted == found["C"].p_adjusted


def test_the_mean_over_datasets_by_hand(report: Report) -> None:
    """Ratios exp(0.1), exp(0.2) and exp(0.3): a mean of 0.2, on others with an error of 0.1 / √3.

    It has 2 degrees of freedom. On these datasets three independent errors of 0.001 have 3 × 9.
    """
    ratios = (math.exp(log) - 1 for log in (0.1, 0.2, 0.3))
    alike = [
        replace(
            found,
            dataset=f"d{ratio}",
            baseline="B",
            relative=replace(found.relative, value=ratio, log_error=0.001, df=9),
        )
        for found, ratio in zip(report.comparisons, ratios, strict=False)
    ]
    (found,) = combine_datasets(alike, {alike[0].family: [(alike[0].proposed, "B")]})
    assert found.others is not None
    for mean, df, error in ((found.others, 2, 0.1 / math.sqrt(3)), (found.these, 27, 0.001 / math.sqrt(3))):
        half = scipy.stats.t.isf(0.025, df) * error
        expected = [math.exp(log) - 1 for log in (0.2 - half, 0.2, 0.2 + half)]
        assert [mean.low, mean.mean, mean.high] == pytest.approx(expected, rel=1e-6)


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
