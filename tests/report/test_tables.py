from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite, section_of

from lrbench.report.build import ReportOptions, build_report
from lrbench.report.findings import AcrossDatasets, MeanRelative, Verdict
from lrbench.report.formats import FORMATS
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables import SECTIONS, Cell, Section, make_sections
from lrbench.report.tables.needs import NEEDS
from lrbench.report.tables.table import INDENT
from lrbench.stats.variance import Shares
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, SuiteRecord


def cells(section: Section, label: str, table: int = 0) -> dict[str, Cell]:
    row = next(row for row in section.tables[table].rows if row[0].text == label)
    return dict(zip(section.columns, row, strict=True))


def with_verdicts(report: Report, **verdicts: Verdict) -> Report:
    """Set the verdict on comparisons by ``proposed__baseline``."""
    comparisons = tuple(
        replace(c, verdict=verdicts.get(f"{c.proposed}__{c.baseline}", Verdict.INCONCLUSIVE))
        for c in report.comparisons
    )
    return replace(report, comparisons=comparisons)


@pytest.mark.parametrize("name", ["markdown", "html", "terminal"])
def test_a_table_that_is_asked_for_and_empty_says_what_it_needs(report: Report, name: str) -> None:
    """Every section has such a sentence; no section is told of that nobody asked for by name."""
    assert set(NEEDS) == set(SECTIONS)
    asked = make_sections(report, Layout(tables=("tuning", "quality")))
    assert [section.name for section in asked] == ["tuning", "quality"]
    text = FORMATS.load(name)().render(report, Layout(tables=("tuning", "quality")))
    assert "Nothing to show" in text
    assert "This table needs rows that were tuned" in " ".join(text.split())
    assert "Nothing to show" not in FORMATS.load(name)().render(report)
    hidden = replace(report, labels=report.labels[:1])
    assert "leave out --only and --hide" in " ".join(
        FORMATS.load(name)().render(hidden, Layout(tables=("tuning",))).split()
    )


def test_sections_in_reading_order(report: Report) -> None:
    sections = make_sections(report)
    assert [section.name for section in sections] == [
        "answer",
        "quality",
        "comparison",
        "seen-items",
        "across",
        "cost",
        "depth",
        "depth-contrasts",
        "provenance",
    ]
    assert [table.title for table in sections[1].tables] == ["sample (synthetic)", "amazon-2014-beauty"]
    assert sections[1].notes == report.caption


def test_quality_cells(report: Report) -> None:
    quality = section_of(report, "quality")
    row = next(r for r in report.rows if (r.label, r.metric) == ("LARES", "ndcg@10"))
    cell = cells(quality, "LARES")["NDCG@10"]
    assert (cell.text, cell.spread, cell.emphasis) == (f"{row.mean:.4f}", f"{row.sd:.4f}", "best")
    popularity = cells(quality, "Popularity")["NDCG@10"]
    assert (popularity.spread, popularity.emphasis, popularity.marks) == ("", "none", "†")


def test_daggers_stand_on_the_compared_row_and_only_on_the_primary_metric(report: Report) -> None:
    marked = with_verdicts(report, LARES__SASRec=Verdict.BETTER, LARES__Popularity=Verdict.WORSE)
    quality = section_of(marked, "quality")
    assert cells(quality, "SASRec")["NDCG@10"].marks.startswith("†")
    assert cells(quality, "Popularity")["NDCG@10"].marks.startswith("‡")
    assert cells(quality, "SASRec")["NDCG@20"].marks.strip("≈") == ""
    assert cells(quality, "LARES")["NDCG@10"].marks == ""


def test_letters_name_the_proposed_labels(root: Path, suite: SuiteRecord) -> None:
    proposed = ("SASRec", "LARES")
    report = build_report(suite.model_copy(update={"proposed": proposed}), Results(root))
    marked = with_verdicts(report, SASRec__Popularity=Verdict.WORSE, LARES__Popularity=Verdict.BETTER)
    assert cells(section_of(marked, "quality"), "Popularity")["NDCG@10"].marks == "†b‡a"


def test_a_merged_row_has_the_daggers_of_all_its_labels_each_once(tmp_path: Path) -> None:
    """N and M are one run. A is compared with M as a system, and B and C with both names of it."""
    controls = {
        "N": ControlRecord(of="B", control="no-reasoning"),
        "M": ControlRecord(of="C", control="no-reasoning"),
    }
    models = (Made("A", 1.7), Made("B", 1.8), Made("C", 1.9), Made("N", 0.5), Made("M", 0.5))
    suite = make_suite(tmp_path, models, proposed=("A", "B", "C"), controls=controls, against=("M",))
    trials = {cell.seed: cell.trial for cell in suite.trials if cell.label == "N"}
    shared = tuple(
        cell.model_copy(update={"trial": trials[cell.seed]}) if cell.label == "M" else cell
        for cell in suite.trials
    )
    report = build_report(suite.model_copy(update={"trials": shared}), Results(tmp_path))
    assert report.twins == {("sample", "M"): "N"}
    row = cells(section_of(report, "quality"), INDENT + report.row_name("sample", "N"))
    assert row["NDCG@10"].marks == "†abc"
    assert "A, B and C × M × 1 dataset on NDCG@10" in " ".join(report.caption)
    only_c = tuple(each for each in report.comparisons if each.proposed == "C")
    assert [each.baseline for each in only_c] == ["M", "M"]  # as a system, and as its control
    one = replace(report, proposed=("C",), comparisons=only_c)
    assert cells(section_of(one, "quality"), INDENT + one.row_name("sample", "N"))["NDCG@10"].marks == "†"


def test_baseline_puts_percentages_behind_every_metric(root: Path, suite: SuiteRecord) -> None:
    options = ReportOptions(metrics=("ndcg@10", "mrr"), baseline="SASRec")
    quality = section_of(build_report(suite, Results(root), options), "quality")
    assert quality.columns == ("Model", "NDCG@10", "Δ % SASRec", "MRR", "Δ % SASRec")
    row = next(row for row in quality.tables[0].rows if row[0].text == "LARES")
    reference = next(row for row in quality.tables[0].rows if row[0].text == "SASRec")
    relative = float(row[1].text) / float(reference[1].text) - 1
    assert abs(float(row[2].text) - 100 * relative) < 0.1
    assert reference[2].text == reference[4].text == "–"


def test_comparison_rows_show_the_numbers_of_the_test(report: Report) -> None:
    comparison = report.comparisons[1]
    row = cells(section_of(report, "comparison"), comparison.baseline)
    assert row["verdict"].text == comparison.verdict
    assert row["Δ"].text == f"{comparison.contrast.difference:+.4f}".replace("-", "−")
    assert row["detectable"].text == f"{comparison.minimum_detectable:.4f}"
    users = comparison.users
    assert row["users +/=/−"].text == f"{users.wins}/{users.ties}/{users.losses}"


@pytest.mark.parametrize("verdict", [Verdict.BETTER, Verdict.WORSE, Verdict.INCONCLUSIVE])
def test_only_undecided_rows_say_within_what_they_are_equal(report: Report, verdict: Verdict) -> None:
    section = section_of(with_verdicts(report, LARES__SASRec=verdict), "comparison")
    shown = cells(section, "SASRec")["equal within"].text
    assert (shown == "–") == (verdict != Verdict.INCONCLUSIVE)


def test_descriptive_findings_are_counted_by_the_adjusted_p(report: Report) -> None:
    small = [c for c in report.descriptive if c.contrast.testable and c.contrast.p <= 0.05][:4]
    pairs = zip(small, (0.05, 0.06, 0.5, 0.01), strict=True)
    descriptive = tuple(replace(each, p_adjusted=p) for each, p in pairs)
    notes = " ".join(section_of(replace(report, descriptive=descriptive), "comparison").notes)
    assert "Of 4 descriptive comparisons, on other metrics or with another baseline, 2 have p ≤ 0.05" in notes


def test_effects_over_datasets_are_in_per_cent(report: Report) -> None:
    these = MeanRelative(0.061, 0.021, 0.101, 0.004, 0.0)
    others = MeanRelative(0.053, 0.011, 0.095, 0.02, 0.031)
    found = AcrossDatasets("LARES", "SASRec", "systems", 3, these, 0.012, others, 0.4)
    (row,) = (
        section_of(replace(report, across=(found,), across_without_seen_items=()), "across").tables[0].rows
    )
    assert [cell.text for cell in row] == [
        *("SASRec", "3", "+6.1", "[+2.1, +10.1]", "0.004", "0.012", "0.400"),
        *("+5.3", "[+1.1, +9.5]", "0.020", "3.1"),
    ]


def test_the_parts_of_the_uncertainty_stand_under_their_names(report: Report) -> None:
    found = report.comparisons[1]
    assert found.variance is not None
    variance = replace(found.variance, shares=Shares(0.6, 0.3, 0.1), seeds_to_find=None)
    section = section_of(replace(report, comparisons=(replace(found, variance=variance),)), "uncertainty")
    row = cells(section, found.baseline)
    parts = [row[name].text for name in ("users × models", "luck of runs", "users × runs")]
    assert parts == ["60 %", "30 %", "10 %"]
    assert row["seeds to find 5 %"].text == "more users"


def test_a_row_that_cannot_be_tested_is_marked_so(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 1.0), Made("B", 0.5)], seeds=[1, 2], proposed=["A"])
    report = build_report(suite, Results(tmp_path))
    quality = section_of(report, "quality")
    assert cells(quality, "B")["NDCG@10"].marks == "?"
    assert "?: whether it is separable from the best cannot be tested." in quality.notes


def test_notes_say_what_intervals_and_effect_sizes_do_not(report: Report) -> None:
    notes = " ".join(section_of(report, "comparison").notes)
    assert "Each interval is a 95 % interval by itself, while p is adjusted for the family" in notes
    assert "Both depend on the number of seeds" in notes
    quality = " ".join(section_of(report, "quality").notes)
    assert "The deviation contains the luck of training and how differently each run suits users." in quality


def test_depths_mark_the_reported_and_the_chosen_one(report: Report) -> None:
    depth = section_of(report, "depth")
    assert depth.columns[:6] == ("Model", "depth 0", "depth 1", "depth 2", "depth 4", "depth 8")
    row = cells(depth, "LARES")
    assert "*" in row["depth 4"].marks
    assert sum("v" in cell.marks for cell in row.values()) == 1


def test_costs_stand_beside_quality(report: Report) -> None:
    row = cells(section_of(report, "cost"), "LARES")
    assert (row["stages"].text, row["steps"].text, row["weights"].text) == ("spt + rpt", "680", "123 k")
    assert row["NDCG@10"].text == cells(section_of(report, "quality"), "LARES")["NDCG@10"].text


def test_reused_stages_are_marked(report: Report) -> None:
    cost = next(cost for cost in report.costs if (cost.dataset, cost.label) == ("sample", "LARES"))
    reused = replace(cost, stages=(replace(cost.stages[0], reused=True), *cost.stages[1:]))
    costs = tuple(reused if each is cost else each for each in report.costs)
    shown = cells(section_of(replace(report, costs=costs), "cost"), "LARES")
    assert shown["training (s)"].marks == "r"
    assert {cell.marks for name, cell in shown.items() if name != "training (s)"} == {""}


def test_what_is_not_counted_is_no_zero(report: Report) -> None:
    row = cells(section_of(report, "cost"), "Popularity")
    assert (row["weights"].text, row["FLOPs/user"].text, row["memory"].text) == ("–", "–", "300 MB")
    assert "no matrix product" in " ".join(section_of(report, "cost").notes)


def test_sections_without_content_are_left_out(tmp_path: Path) -> None:
    report = build_report(make_suite(tmp_path, [Made("A"), Made("B")], proposed=[]), Results(tmp_path))
    assert [section.name for section in make_sections(report)] == [
        "answer",
        "quality",
        "cost",
        "provenance",
    ]


def test_what_cannot_be_tested_is_a_sentence_and_no_table_of_dashes(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 2.0), Made("B"), Made("C")], seeds=(1, 2), proposed=["A"])
    section = section_of(build_report(suite, Results(tmp_path)), "comparison")
    assert section.tables == section.notes == ()
    (paragraph,) = section.paragraphs
    assert paragraph.text == "A against B and C on sample: 2 seeds, but a test needs at least 3."


def test_costs_have_the_latency_at_the_depth_of_reports(tmp_path: Path) -> None:
    """Trials of versions that did not measure it have a dash, and a suite of them no column."""
    known = {
        "flops_by_depth": {0: 10.0, 2: 30.0},
        "latency_by_depth": {0: {1: 2.0, 256: 0.1}, 2: {1: 4.125, 256: 0.5125}},
    }
    models = [Made("A", 1.0, "lares", depth=2, depths=(0, 2), record=known), Made("B")]
    report = build_report(make_suite(tmp_path, models, proposed=[]), Results(tmp_path))
    section = section_of(report, "cost")
    shown = [cells(section, label) for label in ("A", "B")]
    assert [row["1,000 users by 1 (s)"].text for row in shown] == ["4.12", "–"]
    assert [row["1,000 users by 256 (ms)"].text for row in shown] == ["512", "–"]
    older = build_report(
        make_suite(tmp_path / "older", [Made("B")], proposed=[]), Results(tmp_path / "older")
    )
    assert not [column for column in section_of(older, "cost").columns if "1,000 users" in column]
