"""Declared findings are repeated without items that users have seen, and a report says where that matters."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from statsmodels.stats.multitest import multipletests
from synthetic_results import ITEMS, Made, make_suite, rewrite_ranks, section_of

from lrbench.config.protocol import find_protocol
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.choices import Choices
from lrbench.report.findings import Verdict
from lrbench.report.formats import FORMATS
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.warnings import WarningKind
from lrbench.stats.crossed import crossed
from lrbench.stats.user_metrics import UserMetrics
from lrbench.store.alignment import aligned_ranks
from lrbench.store.frames import finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, SuiteRecord
from lrbench.store.trials import RANKS

CONTROLS = {
    "LARES: no reasoning": ControlRecord(of="LARES", control="no-reasoning"),
    "LARES: loss matched": ControlRecord(of="LARES", control="loss-matched"),
}
EQUAL = (
    Made("SASRec", 0.5),
    Made("LARES", 1.7, "lares"),
    Made("LARES: no reasoning", 1.7, "lares"),
    Made("LARES: loss matched", 0.5, "lares"),
)
"""LARES and its network without steps are alike; the two others are far worse."""


def with_seen_items_above(root: Path, seen: dict[str, int], **options: Any) -> SuiteRecord:
    """Write a suite in which each label ranks so many seen items above every target."""
    suite = make_suite(root, **{"models": EQUAL, "controls": CONTROLS, **options})
    for cell in suite.trials:
        above = (pl.col("rank_masked") + seen.get(cell.label, 0)).clip(upper_bound=ITEMS)
        rewrite_ranks(root, cell.trial, above.alias("rank"))
    return suite


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """LARES puts no seen item above a target, and its network without steps puts four."""
    root = tmp_path_factory.mktemp("results")
    return build_report(with_seen_items_above(root, {"LARES: no reasoning": 4}), Results(root))


def answer(report: Report, question: str) -> str:
    return next(found.text for found in report.answers if found.question == question)


def test_both_rankings_and_their_difference_are_tested(
    root: Path, suite: SuiteRecord, report: Report
) -> None:
    finished, _ = finished_trials(suite, Results(root))
    without, changes = [], []
    for found in report.without_seen_items:
        here = [trial for trial in finished if trial.cell.dataset == found.dataset]
        sides = []
        for label in (found.proposed, found.baseline):
            runs = [trial.record for trial in here if trial.cell.label == label]
            kept, left_out = (
                aligned_ranks(here, masked).metric([run.id for run in runs], runs[0].depth, "ndcg@10")
                for masked in (False, True)
            )
            fixed = runs[0].deterministic
            shares = kept / kept.mean() - left_out / left_out.mean()
            sides.append((UserMetrics(left_out, fixed), UserMetrics(shares, fixed), kept.mean()))
        without.append(crossed(sides[0][0], sides[1][0]))
        ratio = sides[0][2] / sides[1][2] / (sides[0][0].mean / sides[1][0].mean)
        changes.append((np.log(ratio), crossed(sides[0][1], sides[1][1]).standard_error))
    assert len(without) == 6
    found = report.without_seen_items
    assert [each.declared for each in found] == [
        # cross-checks and sources of variance are only those of the declared comparison
        type(each.declared)(**{**vars(declared), "variance": None, "checks": None})
        for each, declared in zip(found, report.comparisons, strict=True)
    ]
    assert [each.comparison.contrast for each in found] == without
    assert [each.change.difference for each in found] == pytest.approx([change for change, _ in changes])
    assert [each.change.standard_error for each in found] == pytest.approx([error for _, error in changes])
    assert [1 + each.added[0] for each in found] == pytest.approx(
        [(1 + each.declared.relative.value) / (1 + each.comparison.relative.value) for each in found]
    )
    holm = multipletests([contrast.p for contrast in without], method="holm")[1]
    assert [each.comparison.p_adjusted for each in found] == pytest.approx(list(holm))
    bh = multipletests([each.change.p for each in found], method="fdr_bh")[1]
    assert [each.p_adjusted for each in found] == pytest.approx(list(bh))


def test_a_gain_that_lies_in_seen_items_is_told(hidden: Report) -> None:
    found = {each.baseline: each for each in hidden.without_seen_items}
    steps = found["LARES: no reasoning"]
    assert (steps.declared.verdict, steps.changes, steps.depends) == (Verdict.BETTER, True, True)
    assert steps.comparison.verdict not in (Verdict.BETTER, Verdict.WORSE)
    assert not found["SASRec"].changes
    assert not found["LARES: loss matched"].changes
    said = answer(hidden, "reasoning")
    assert said.startswith("With seen items ranked, yes. The gain stays against no reasoning (+0.")
    assert "Without seen items, the gain is not shown against no reasoning (" in said
    assert said.count("Exploratory.") == 1
    assert answer(hidden, "better").startswith("Yes. ")
    (warning,) = [each for each in hidden.warnings if each.kind is WarningKind.SEEN_ITEMS]
    assert warning.cause == (
        "The verdict on LARES against LARES: no reasoning on sample changes without items that users have "
        "seen."
    )
    assert (
        "Without items that users have seen, 1 of 3 verdicts changes, 1 of them by a ratio that is shown "
        "to change (table “seen-items”). Exploratory."
    ) in hidden.caption


def test_the_table_has_both_verdicts_and_what_seen_items_add(hidden: Report) -> None:
    section = section_of(hidden, "seen-items")
    (table,) = section.tables
    assert table.title == "LARES with and without seen items on sample, NDCG@10"
    rows = {row[0].text: [cell.text for cell in row] for row in table.rows}
    assert list(rows) == ["SASRec", "LARES: no reasoning", "LARES: loss matched"]
    found = {each.baseline: each for each in hidden.without_seen_items}["LARES: no reasoning"]
    added, low, high = (f"{100 * value:+.1f}".replace("-", "−") for value in found.added)
    relative = found.comparison.relative
    assert rows["LARES: no reasoning"] == [
        "LARES: no reasoning",
        f"{100 * found.declared.relative.value:+.1f}",
        "better",
        f"{100 * relative.value:+.1f}".replace("-", "−"),
        f"[{100 * relative.low:+.1f}, {100 * relative.high:+.1f}]".replace("-", "−"),
        f"{found.comparison.p_adjusted:.3f}",
        "cannot show equivalence",
        added,
        f"[{low}, {high}]",
        "< 0.001",
    ]
    assert "Under this protocol no target is an item that its user has seen before." in section.notes


def test_a_gain_that_seen_items_hide_is_told(tmp_path: Path) -> None:
    suite = with_seen_items_above(tmp_path, {"LARES": 9}, models=EQUAL[:2], controls={})
    report = build_report(suite, Results(tmp_path))
    said = answer(report, "better")
    assert said.startswith("With seen items ranked, no, it is worse. LARES scores 0.")
    assert "Without seen items, it is better than SASRec (+0." in said
    assert "p < 0.001). Exploratory." in said


def test_equal_rankings_change_nothing(tmp_path: Path) -> None:
    models = (Made("SASRec", 1.0), Made("LARES", 1.7, "lares"))
    suite = make_suite(tmp_path, models)
    for cell in suite.trials:
        rewrite_ranks(tmp_path, cell.trial, pl.col("rank").alias("rank_masked"))
    (same,) = build_report(suite, Results(tmp_path)).without_seen_items
    assert (same.changes, same.depends, same.change.testable) == (False, False, False)
    assert np.isnan(same.p_adjusted)


def test_a_verdict_that_changes_alone_is_no_warning(report: Report) -> None:
    """p rises from .04 to .14, and the ratio hardly changes."""
    found = report.find_without_seen_items(report.comparisons[2])
    assert found is not None
    assert (found.changes, found.depends) == (True, False)
    assert found.p_adjusted > 0.05
    assert not any(each.kind is WarningKind.SEEN_ITEMS for each in report.warnings)
    (sentence,) = [each for each in report.caption if each.startswith("Without items")]
    assert "2 of 6 verdicts change, none of them by a ratio that is shown to change" in sentence


def test_the_answer_says_where_the_change_is_not_shown(root: Path, suite: SuiteRecord) -> None:
    rival = suite.model_copy(update={"against": ("LARES w/o_RPT & 50%",), "datasets": ("sample",)})
    said = answer(build_report(rival, Results(root)), "better")
    assert said.startswith("Yes. LARES scores")
    assert "Without seen items, it is undecided against LARES w/o_RPT & 50% (+0." in said
    assert "Exploratory. That the ratio changes is not shown." in said


def test_nothing_is_repeated_where_no_seen_item_is_ranked(root: Path, suite: SuiteRecord) -> None:
    for masked in (
        build_report(suite, Results(root), ReportOptions(masked=True)),
        build_report(suite.model_copy(update={"protocol": find_protocol("loo-50-masked")}), Results(root)),
    ):
        assert masked.without_seen_items == ()
        assert not any("items that users have seen" in sentence for sentence in masked.caption)
        assert (
            "under a protocol that ranks seen items, and no --masked"
            in section_of(masked, "seen-items").paragraphs[0].text
        )
        text = FORMATS.load("latex")().render(masked, Layout(tables=("seen-items",)))
        assert "% Table “seen-items”: Nothing to show. This table needs a declared" in text
    nothing = build_report(suite.model_copy(update={"proposed": ()}), Results(root))
    assert nothing.without_seen_items == ()


def test_targets_that_may_be_seen_are_said_to_stay(root: Path, suite: SuiteRecord) -> None:
    keeps = suite.model_copy(update={"protocol": find_protocol("loo-50")})
    notes = section_of(build_report(keeps, Results(root)), "seen-items").notes
    assert "A target that its user has seen before stays in the ranks." in notes


def test_many_proposed_labels_are_counted(tmp_path: Path) -> None:
    names = ("A", "B", "C", "D")
    models = (Made("SASRec", 1.0), *(Made(name, 1.0, "lares") for name in names))
    suite = with_seen_items_above(tmp_path, {"SASRec": 5}, models=models, controls={}, proposed=names)
    report = build_report(suite, Results(tmp_path))
    section = section_of(report, "answer")
    told = {paragraph.title: paragraph.text for paragraph in section.paragraphs}
    assert told["1 Better?"].startswith("Shown to be better than SASRec, the strongest other system: 4 of 4.")
    assert told["Without seen items"].startswith("4 of 4 verdicts change, 4 of them by a ratio that is")
    assert "Shown to be better than SASRec, the strongest other system: 0 of 4." in told["Without seen items"]
    (text,) = [
        each for each in FORMATS.load("methods-markdown")().render(report).split("\n") if "We repeat" in each
    ]
    assert "without items that users have seen: 4 of 4 verdicts change" in text


def test_a_control_with_the_ranks_of_another_counts_once(tmp_path: Path) -> None:
    suite = with_seen_items_above(tmp_path, {"SASRec": 1, "LARES: no reasoning": 2})
    twins = {cell.seed: cell.trial for cell in suite.trials if cell.label == "LARES: no reasoning"}
    same = tuple(
        cell.model_copy(update={"trial": twins[cell.seed]}) if cell.label == "LARES: loss matched" else cell
        for cell in suite.trials
    )
    report = build_report(suite.model_copy(update={"trials": same}), Results(tmp_path))
    assert len(report.without_seen_items) == 3
    rows = [row[0].text for row in section_of(report, "seen-items").tables[0].rows]
    assert rows == ["SASRec", "LARES: no reasoning (= LARES's loss-matched control)"]
    assert any(" of 2 verdicts " in sentence for sentence in report.caption)
    first, second, repeats = report.without_seen_items
    assert (second.change, second.p_adjusted) == (repeats.change, repeats.p_adjusted)
    expected = multipletests([first.change.p, second.change.p], method="fdr_bh")[1]
    assert [first.p_adjusted, second.p_adjusted] == pytest.approx(list(expected))


def test_rows_that_are_not_shown_leave_the_table(root: Path, suite: SuiteRecord) -> None:
    options = ReportOptions(choices=Choices(hide=("Popularity",), datasets=("sample",)))
    report = build_report(suite, Results(root), options)
    (table,) = section_of(report, "seen-items").tables
    assert [row[0].text for row in table.rows] == ["SASRec", "LARES w/o_RPT & 50%"]


def test_programs_get_every_number(hidden: Report) -> None:
    found = json.loads(FORMATS.load("json")().render(hidden))["without_seen_items"]
    assert [each["baseline"] for each in found] == ["SASRec", "LARES: no reasoning", "LARES: loss matched"]
    steps, known = found[1], hidden.without_seen_items[1]
    assert steps["difference"] == known.comparison.contrast.difference
    assert steps["declared_difference"] == known.declared.contrast.difference
    assert (steps["declared_verdict"], steps["changes"], steps["depends"]) == ("better", True, True)
    assert steps["seen_items_add"]["p_bh"] == known.p_adjusted
    assert steps["seen_items_add"]["ratio"] == known.added[0]
    table = FORMATS.load("csv")().render(hidden, Layout(tables=("seen-items",)))
    lines = list(csv.DictReader(io.StringIO(table)))
    assert [line["baseline"] for line in lines] == [each["baseline"] for each in found]
    assert float(lines[1]["seen_items_add.difference"]) == known.change.difference


def test_means_over_datasets_have_both_rankings(root: Path, suite: SuiteRecord, report: Report) -> None:
    found = {each.baseline: each for each in report.across_without_seen_items}
    assert list(found) == [each.baseline for each in report.across]
    for baseline, mean in found.items():
        ratios = [
            each.comparison.relative.value for each in report.without_seen_items if each.baseline == baseline
        ]
        assert len(ratios) == 2
        assert mean.these.mean == pytest.approx(np.expm1(np.log1p(ratios).mean()))
    holm = multipletests([each.these.p for each in found.values()], method="holm")[1]
    assert [each.p_adjusted for each in found.values()] == pytest.approx(list(holm))
    section = section_of(report, "across")
    (row,) = [cells for cells in section.tables[0].rows if cells[0].text == "SASRec"]
    shown = dict(zip(section.columns[7:], (cell.text for cell in row[7:]), strict=True))
    assert shown["without: mean Δ %"] == f"{100 * found['SASRec'].these.mean:+.1f}"
    assert "ranks without items that users have seen" in " ".join(section.notes)
    masked = build_report(suite, Results(root), ReportOptions(masked=True))
    assert masked.across_without_seen_items == ()
    assert section_of(masked, "across").columns == section.columns[:7]


def test_controls_are_counted_over_datasets_in_both_rankings(tmp_path: Path) -> None:
    names = ("A", "B", "C", "D")
    models = tuple(
        made
        for name in names
        for made in (Made(name, 1.7, "lares"), Made(f"{name}: no reasoning", 1.7, "lares"))
    )
    controls = {f"{name}: no reasoning": ControlRecord(of=name, control="no-reasoning") for name in names}
    suite = with_seen_items_above(
        tmp_path,
        dict.fromkeys(controls, 5),
        models=models,
        controls=controls,
        proposed=names,
        datasets=("sample", "ml-100k"),
    )
    told = {
        each.title: each.text
        for each in section_of(build_report(suite, Results(tmp_path)), "answer").paragraphs
    }
    over = told["2 The reasoning?, over datasets"]
    assert over.startswith("Shown to be better than their own control: 4 of 4 without steps.")
    assert "exploratory. Without seen items: Shown to be better than their own control: 0 of 4" in over


def test_a_change_of_level_alone_is_none(tmp_path: Path) -> None:
    """Both rows lose the same share of their quality to seen items: half of the users see none above."""
    suite = make_suite(tmp_path, (Made("SASRec", 1.0), Made("LARES", 1.7, "lares")))
    for cell in suite.trials:
        pushed = (
            pl.when(pl.col("user").str.tail(1).cast(pl.Int64) % 2 == 0).then(ITEMS).otherwise(pl.col("rank"))
        )
        rewrite_ranks(tmp_path, cell.trial, pl.col("rank").alias("rank_masked"))
        rewrite_ranks(tmp_path, cell.trial, pushed.cast(RANKS["rank"]).alias("rank"))
    (found,) = build_report(suite, Results(tmp_path)).without_seen_items
    assert found.comparison.contrast.difference > 1.8 * found.declared.contrast.difference
    assert found.p_adjusted > 0.05
    assert not found.depends


def test_hidden_rows_change_no_count(tmp_path: Path) -> None:
    suite = with_seen_items_above(tmp_path, {"LARES: no reasoning": 4})
    hidden = ReportOptions(choices=Choices(hide=("LARES: no reasoning",)))
    report = build_report(suite, Results(tmp_path), hidden)
    (text,) = [
        line for line in FORMATS.load("methods-markdown")().render(report).split("\n") if "We repeat" in line
    ]
    assert "1 of 3 verdicts changes, 1 of them by a ratio" in text
    assert "1 of 3 verdicts changes, 1 of them by a ratio" in " ".join(report.caption)


def test_rows_that_are_the_same_in_one_ranking_say_so(tmp_path: Path) -> None:
    """A filter of seen items makes one row the other: without seen items their ranks are the same."""
    suite = with_seen_items_above(tmp_path, {}, models=EQUAL[:2], controls={})
    first = {cell.seed: cell.trial for cell in suite.trials if cell.label == "LARES"}
    for cell in suite.trials:
        if cell.label == "SASRec":
            folder = Results(tmp_path).trial(first[cell.seed])
            masked = pl.read_parquet(folder / "ranks.parquet")["rank_masked"]
            rewrite_ranks(tmp_path, cell.trial, masked.alias("rank_masked"))
            rewrite_ranks(tmp_path, cell.trial, (masked + 9).clip(upper_bound=ITEMS).alias("rank"))
    report = build_report(suite, Results(tmp_path))
    said = answer(report, "better")
    assert said.startswith("With seen items ranked, yes.")
    assert "it is not testable against SASRec (both labels have the same ranks)" in said


def test_rows_that_are_the_same_where_declared_have_no_verdict_to_change(tmp_path: Path) -> None:
    suite = with_seen_items_above(tmp_path, {"SASRec": 9}, models=EQUAL[:2], controls={})
    first = {cell.seed: cell.trial for cell in suite.trials if cell.label == "LARES"}
    for cell in suite.trials:
        if cell.label == "SASRec":
            ranks = pl.read_parquet(Results(tmp_path).trial(first[cell.seed]) / "ranks.parquet")["rank"]
            rewrite_ranks(tmp_path, cell.trial, ranks.alias("rank"))
    report = build_report(suite, Results(tmp_path))
    (found,) = report.without_seen_items
    assert (found.changes, found.depends) == (False, False)
    assert not any(each.kind is WarningKind.SEEN_ITEMS for each in report.warnings)
    assert report.seen_items_note == ""


def test_a_control_that_is_also_a_system_is_named_once(tmp_path: Path) -> None:
    suite = with_seen_items_above(
        tmp_path, {"LARES: no reasoning": 4}, against=("SASRec", "LARES: no reasoning")
    )
    report = build_report(suite, Results(tmp_path))
    (warning,) = [each for each in report.warnings if each.kind is WarningKind.SEEN_ITEMS]
    assert warning.cause.startswith("The verdict on LARES against LARES: no reasoning on sample changes")


def test_the_strongest_system_is_that_of_the_ranking(tmp_path: Path) -> None:
    names = ("A", "B", "C", "D")
    models = (Made("SASRec", 1.0), Made("HSTU", 1.6), *(Made(name, 1.0, "lares") for name in names))
    suite = with_seen_items_above(tmp_path, {"HSTU": 9, "A": 9}, models=models, controls={}, proposed=names)
    told = {
        each.title: each.text
        for each in section_of(build_report(suite, Results(tmp_path)), "answer").paragraphs
    }
    assert "SASRec, the strongest other system" in told["1 Better?"]
    assert "HSTU, the strongest other system" in told["Without seen items"]


def test_a_masked_protocol_that_is_unmasked_repeats_nothing(root: Path, suite: SuiteRecord) -> None:
    masked = suite.model_copy(update={"protocol": find_protocol("loo-50-masked")})
    assert build_report(masked, Results(root), ReportOptions(masked=False)).without_seen_items == ()
