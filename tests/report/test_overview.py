"""Several proposed labels at a glance, and what many of them do to the answer in words."""

from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite, section_of

from lrbench.report.build import build_report
from lrbench.report.choices import choose
from lrbench.report.findings import AcrossDatasets, MeanRelative, Verdict
from lrbench.report.formats.terminal import Terminal
from lrbench.report.layout import ANSWERS, Layout
from lrbench.report.report import Report
from lrbench.report.tables import make_sections
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord

CONTROLS = {
    "A: no reasoning": ControlRecord(of="A", control="no-reasoning"),
    "B: noise only": ControlRecord(of="B", control="noise-only"),
}
PROPOSED = ("A", "B", "C", "D")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A is far better than both systems and its control; B is worse than its control."""
    root = tmp_path_factory.mktemp("many")
    models = [
        Made("SASRec", 1.0),
        Made("GRU4Rec", 0.7, "gru4rec"),
        Made("A", 2.0, "erl", depth=2, depths=(0, 2), per_doubling=0.3),
        Made("A: no reasoning", 1.0),
        Made("B", 0.2, "prl"),
        Made("B: noise only", 1.2, "prl"),
        Made("C", 1.0, "plr"),
        Made("D", 1.0, "lares"),
    ]
    suite = make_suite(root, models, seeds=range(1, 6), proposed=PROPOSED, controls=CONTROLS)
    return build_report(suite, Results(root))


def cells(report: Report, label: str) -> dict[str, str]:
    section = section_of(report, "overview")
    (row,) = [row for table in section.tables for row in table.rows if row[0].text == label]
    return dict(zip(section.columns, (cell.text for cell in row), strict=True))


def test_a_row_says_how_a_label_does_against_systems_and_controls(many: Report) -> None:
    best, worst = cells(many, "A"), cells(many, "B")
    assert (best["strongest"], best["verdict"], best["beats"], best["loses to"]) == (
        "SASRec",
        "better",
        "2 of 2",
        "0 of 2",
    )
    assert (best["no steps"], best["noise"]) == ("better", "–")
    assert best["depth"].startswith("2 ") and best["depth"].endswith("better")
    assert (worst["verdict"], worst["loses to"], worst["noise"]) == ("worse", "2 of 2", "worse")
    assert worst["depth"] == "–", "it was ranked at one depth alone"
    of = {cost.label: cost.flops_per_user for cost in many.costs}
    assert best["FLOPs ×"] == f"{of['A'] / of['SASRec']:.2g}"


def test_times_of_training_are_multiples_of_those_of_the_strongest(many: Report) -> None:
    seconds = {"A": 120.0, "SASRec": 60.0}
    costs = [replace(c, train_seconds=seconds.get(c.label, c.train_seconds)) for c in many.costs]
    assert cells(replace(many, costs=tuple(costs)), "A")["training ×"] == "2"


def test_many_labels_are_answered_by_counts_unless_everything_is_asked_for(many: Report) -> None:
    short = {section.name: section for section in make_sections(many, Layout(tables=ANSWERS))}
    *counts, where = short["answer"].paragraphs
    assert "--answer --only A" in where.text
    assert [(each.title, each.text) for each in counts] == [
        (
            "1 Better?",
            "Shown to be better than SASRec, the strongest other system: 1 of 4. Shown to be worse: 1. Equal "
            "within ± 2 %: 0. Undecided: 2.",
        ),
        (
            "2 The reasoning?",
            "Shown to be better than their own control: 1 of 1 without steps and 0 of 1 reading noise. "
            "Shown to be worse: 1 of 1 reading noise.",
        ),
        (
            "3 Are the steps used?",
            "Better at the reported depth than at depth 0 of the same weights: 1 of 1. Not corrected. This "
            "says that trained weights use their steps, not that steps help.",
        ),
    ]
    full = next(section for section in make_sections(many, Layout(length="full")) if section.name == "answer")
    assert len(full.paragraphs) == 6 * len(PROPOSED)
    told = Terminal(80, styled=False).render(many, Layout(tables=ANSWERS))
    assert told.index("At a glance") < told.index("In words")
    assert max(map(len, told.splitlines())) <= 80


@pytest.mark.parametrize(
    ("mean", "p", "said"),
    [
        (0.1, 0.05, "1 of 1 without steps. None is shown to be worse."),
        (0.1, 0.051, "0 of 1 without steps. None is shown to be worse."),
        (-0.1, 0.05, "0 of 1 without steps. Shown to be worse: 1 of 1 without steps."),
    ],
)
def test_means_over_datasets_are_counted_beside_controls(
    many: Report, mean: float, p: float, said: str
) -> None:
    (control,) = [label for label, role in many.controls.items() if role.control == "no-reasoning"]
    of = many.controls[control].of
    these = MeanRelative(mean, mean - 0.05, mean + 0.05, p, 0.0)
    over = AcrossDatasets(of, control, "reasoning", 2, these, p, None, 0.5)
    systems = replace(over, family="systems", baseline="SASRec")
    report = replace(many, across=(systems, over))
    short = {section.name: section for section in make_sections(report, Layout(tables=ANSWERS))}
    *_, counted, _ = short["answer"].paragraphs
    assert counted.title == "2 The reasoning?, over datasets"
    assert counted.text.startswith(f"Shown to be better than their own control: {said} Means over")
    assert counted.text.endswith("exploratory.")


def test_what_is_not_testable_is_not_counted(many: Report) -> None:
    comparisons = [
        replace(each, verdict=Verdict.NOT_TESTABLE, contrast=replace(each.contrast, reason="few seeds"))
        if each.baseline == "B: noise only" or (each.proposed, each.baseline) == ("C", "SASRec")
        else each
        for each in many.comparisons
    ]
    report = replace(many, comparisons=tuple(comparisons))
    (answer,) = make_sections(report, Layout(tables=("answer",)))
    better, reasoning, *_ = answer.paragraphs
    assert "strongest other system: 1 of 3." in better.text
    assert reasoning.text == (
        "Shown to be better than their own control: 1 of 1 without steps. None is shown to be worse."
    )


def test_a_label_does_not_wait_for_the_controls_of_another(many: Report) -> None:
    reasoning = {each.proposed: each for each in many.answers if each.question == "reasoning"}
    assert (reasoning["A"].verdict, reasoning["B"].verdict) == ("stays in full", "reverses")
    assert not any("Not run yet" in each.text for each in reasoning.values())


def test_steps_that_cost_quality_are_counted_and_show_no_use(many: Report) -> None:
    """All weights are worse with their steps: nothing says that they use them."""
    (finding,) = [each for each in many.depth_findings if each.label in PROPOSED]
    turned = tuple(
        replace(each, contrast=replace(each.contrast, difference=-each.contrast.difference))
        for each in finding.contrasts
    )
    report = replace(many, depth_findings=(replace(finding, contrasts=turned),))
    (answer,) = make_sections(report, Layout(tables=("answer",)))
    assert answer.paragraphs[2].text == (
        "Better at the reported depth than at depth 0 of the same weights: 0 of 1. Worse: 1. Not corrected."
    )


def test_what_labels_are_compared_with_may_be_hidden(many: Report) -> None:
    """The answers in words name a hidden row too, so the table and the counts must."""
    datasets = [note.summary.name for note in many.datasets]
    hidden = [label for label in many.labels if label not in ("SASRec", "A: no reasoning", "D")]
    shown = choose(many, hidden, datasets)
    assert all(comparison.baseline != "SASRec" for comparison in shown.comparisons)
    for label in ("A", "B", "C"):
        assert cells(shown, label) == cells(many, label)
    section = section_of(shown, "overview")
    assert [row[0].text for table in section.tables for row in table.rows] == ["A", "B", "C"]
    four = choose(many, [label for label in many.labels if label != "SASRec"], datasets)
    assert section_of(four, "answer") == section_of(many, "answer")


def test_one_proposed_label_needs_no_overview(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 2.0), Made("B")], proposed=["A"])
    names = [section.name for section in make_sections(build_report(suite, Results(tmp_path)))]
    assert "overview" not in names


def test_counted_answers_say_that_a_report_is_interim(many: Report) -> None:
    for report in (many, replace(many, interim=True)):
        (answer,) = make_sections(report, Layout(tables=("answer",)))
        *counts, _ = answer.paragraphs
        assert {paragraph.text.startswith("Interim. ") for paragraph in counts} == {report.interim}
