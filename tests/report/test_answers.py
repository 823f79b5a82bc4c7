"""Each verdict has a sentence of its own, and so has everything that may be missing."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from synthetic_results import Made, make_suite, rewrite_ranks, section_of

from lrbench.report.answers import make_answers
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.findings import Verdict
from lrbench.report.formats.terminal import Terminal
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables import make_sections
from lrbench.report.tables.table import INDENT
from lrbench.report.warnings import ReportWarning, WarningKind
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord

SYSTEMS = (Made("SASRec", 1.0), Made("LARES", 1.7, "lares", depth=4, depths=(0, 1, 2, 4, 8)))
QUESTIONS = ["better", "reasoning", "depth", "users", "cost", "certainty"]


def answered(root: Path, *models: Made, **options: Any) -> Report:
    options = {"proposed": ["LARES"], **options}
    return build_report(make_suite(root, models or SYSTEMS, **options), Results(root))


def text(report: Report, question: str) -> str:
    return next(answer.text for answer in report.answers if answer.question == question)


def verdict(report: Report, question: str) -> str:
    return next(answer.verdict for answer in report.answers if answer.question == question)


def test_a_rival_that_scores_nothing_has_no_margin(tmp_path: Path) -> None:
    """A margin is a share of the rival's mean, so there is none of zero."""
    suite = make_suite(tmp_path, (Made("SASRec", 1.0), Made("LARES", 1.7, "lares")))
    for cell in suite.trials:
        hit = pl.col("user") == (f"u{cell.seed}" if cell.label == "LARES" else "nobody")
        rewrite_ranks(tmp_path, cell.trial, pl.when(hit).then(1.0).otherwise(400.0).alias("rank"))
    report = build_report(suite, Results(tmp_path))
    assert verdict(report, "better") == str(Verdict.OUT_OF_REACH)
    assert "SASRec scores 0, so no margin in % of its mean can be shown." in text(report, "better")


def test_the_questions_in_their_order(tmp_path: Path) -> None:
    report = answered(tmp_path)
    assert [answer.question for answer in report.answers] == QUESTIONS
    (section,) = make_sections(report, Layout(tables=("answer",)))
    assert [p.title for p in section.paragraphs] == [
        "1 Better?",
        "2 The reasoning?",
        "3 Which depth?",
        "4 For whom?",
        "5 At what cost?",
        "6 How sure?",
    ]


@pytest.mark.parametrize(
    ("skill", "begins", "verdict_word"),
    [(2.2, "Yes. LARES scores 0.", "better"), (0.0, "No, it is worse. LARES scores 0.", "worse")],
)
def test_better_and_worse_name_scores_interval_and_family(
    tmp_path: Path, skill: float, begins: str, verdict_word: str
) -> None:
    report = answered(tmp_path, Made("SASRec", 1.0), Made("LARES", skill, "lares"))
    said = text(report, "better")
    assert said.startswith(begins)
    assert "p < 0.001 (Holm over 1)." in said
    assert said.endswith("These are synthetic data.")
    assert verdict(report, "better") == verdict_word


def test_not_shown_says_what_equality_these_runs_would_show(tmp_path: Path) -> None:
    report = answered(tmp_path, Made("SASRec", 1.0), Made("LARES", 1.0, "lares"))
    said = text(report, "better")
    assert said.startswith("Not shown. ")
    assert "Equal within ± 2 % cannot be shown with these runs, only within ± " in said


def test_equivalent_is_no_winner(tmp_path: Path) -> None:
    models = (Made("SASRec", 1.0, luck=0, match=0), Made("LARES", 1.0, "lares", luck=0, match=0))
    report = answered(tmp_path, *models, margin=0.3, seeds=range(1, 7))
    assert text(report, "better").startswith("No, the two are equivalent.")
    assert "The 90 % interval lies within ± 30 % of SASRec." in text(report, "better")


def test_two_seeds_get_one_sentence(tmp_path: Path) -> None:
    report = answered(tmp_path, seeds=(1, 2))
    assert text(report, "better").startswith("Not testable. LARES scores 0.")
    assert text(report, "certainty").startswith("2 seeds: nothing can be said about training luck.")
    assert verdict(report, "certainty") == "too few seeds"


def test_enough_seeds_of_a_label_are_not_asked_for_where_the_other_row_lacks_them(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, SYSTEMS, seeds=(1, 2, 3))
    for cell in suite.trials:
        if cell.label not in suite.proposed and cell.seed > 1:
            Results(tmp_path).trial(cell.trial).rename(tmp_path / f"gone-{cell.trial}")
    told = text(build_report(suite, Results(tmp_path)), "certainty")
    assert told.startswith(f"3 seeds of {suite.proposed[0]}, but no comparison")
    assert "at least 3" not in told


def test_missing_trials_make_it_interim(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, SYSTEMS, seeds=(1, 2, 3, 4))
    Results(tmp_path).trial(suite.trials[0].trial).rename(tmp_path / "gone")
    report = build_report(suite, Results(tmp_path))
    assert text(report, "better").startswith("Interim, as trials are missing. ")
    assert verdict(report, "certainty") == "interim"


def test_without_a_proposed_label_there_is_one_sentence(tmp_path: Path) -> None:
    report = answered(tmp_path, proposed=[])
    assert [answer.verdict for answer in report.answers] == ["nothing proposed"]
    assert "[comparison]" in report.answers[0].text


def test_a_proposed_label_alone_has_nothing_to_beat(tmp_path: Path) -> None:
    report = answered(tmp_path, Made("LARES", 1.0, "lares"))
    for question in ("better", "users", "cost"):
        assert text(report, question).startswith("There is no other system to compare with.")


@pytest.mark.parametrize(
    ("trained", "told"),
    [
        (1, "The only trained row ended at"),
        (2, "All 2 trained rows ended at"),
        (3, "2 of 3 trained rows ended at"),
    ],
)
def test_rows_at_their_cap_of_epochs_are_counted(tmp_path: Path, trained: int, told: str) -> None:
    report = answered(tmp_path, *(Made(label, 1.0) for label in "ABC"[:trained]), proposed=["A"])
    warnings = [ReportWarning(WarningKind.EPOCH_CAP, "", label=label) for label in "AB"]
    capped = replace(report, warnings=tuple(warnings))
    sure = next(answer for answer in make_answers(capped) if answer.question == "certainty")
    assert told in sure.text
    assert sure.verdict == ("undertrained" if trained > 1 else "untested")


def test_without_a_rival_seeds_are_not_asked_for(tmp_path: Path) -> None:
    report = answered(tmp_path / "trained", Made("LARES", 1.0, "lares"))
    assert text(report, "certainty") == "3 seeds of LARES, but there is no other system."
    assert verdict(report, "certainty") == "untested"
    model = Made("LARES", 1.0, "popularity", deterministic=True)
    fixed = answered(tmp_path / "fixed", model, Made("SASRec", 1.0), seeds=(1, 2))
    assert text(fixed, "certainty").startswith("LARES is deterministic, and no comparison with the strongest")
    assert "at least 3" not in text(fixed, "certainty")


def test_operations_that_were_not_counted_have_no_multiple(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, SYSTEMS)
    report = build_report(suite, Results(tmp_path))
    costs = [replace(c, flops_per_user=math.nan) if c.label == "LARES" else c for c in report.costs]
    (cost,) = [a for a in make_answers(replace(report, costs=tuple(costs))) if a.question == "cost"]
    assert cost.text.startswith("No operations of LARES were counted; ")
    assert cost.verdict == "unknown"


def test_two_rows_without_operations_have_no_multiple(tmp_path: Path) -> None:
    fixed, rival = (Made(name, deterministic=True, model=name) for name in ("Fixed", "Rival"))
    report = answered(tmp_path, fixed, rival, proposed=["Fixed"])
    assert text(report, "cost") == "No operations of Fixed were counted; 0.1 s of training."
    assert verdict(report, "cost") == "unknown"


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([Verdict.EQUIVALENT], " It is equivalent to the other row."),
        ([Verdict.NOT_TESTABLE], " It is not testable against the other row."),
        ([Verdict.BETTER], " It is better than the other row."),
        (
            [Verdict.OUT_OF_REACH, Verdict.EQUIVALENT, Verdict.INCONCLUSIVE, Verdict.WORSE],
            " Of the 4 other rows it is worse than 1, equivalent to 1, undecided against 2.",
        ),
    ],
)
def test_each_verdict_on_another_row_is_counted_as_what_it_is(
    tmp_path: Path, verdicts: list[Verdict], said: str
) -> None:
    weaker = [Made(f"weaker {number}", 0.5, "gru4rec") for number in range(len(verdicts))]
    report = answered(tmp_path, *SYSTEMS, *weaker)
    known = {made.label: verdict for made, verdict in zip(weaker, verdicts, strict=True)}
    comparisons = [replace(c, verdict=known.get(c.baseline, c.verdict)) for c in report.comparisons]
    answers = make_answers(replace(report, comparisons=tuple(comparisons)))
    assert said in next(answer.text for answer in answers if answer.question == "better")


def test_ablations_of_its_own_model_are_not_the_rival(tmp_path: Path) -> None:
    stronger = Made("LARES w/o RPT", 3.0, "lares")
    report = answered(tmp_path, *SYSTEMS, stronger)
    assert [(r.proposed, r.baseline) for r in report.references] == [("LARES", "SASRec")]
    assert "It is worse than the other row." in text(report, "better")


def test_percentages_from_another_row_do_not_change_the_rival(tmp_path: Path) -> None:
    weak = Made("weak", 0.1, "gru4rec")
    suite = make_suite(tmp_path, (*SYSTEMS, weak))
    plain, asked = (
        build_report(suite, Results(tmp_path), ReportOptions(baseline=name)) for name in (None, "weak")
    )
    assert asked.answers == plain.answers


def test_controls_without_runs_leave_the_answer_open(tmp_path: Path) -> None:
    controls = {
        "noise": ControlRecord(of="LARES", control="noise-only"),
        "alone": ControlRecord(of="LARES", control="no-reasoning"),
    }
    models = (
        Made("SASRec", 1.0),
        Made("LARES", 2.0, "lares"),
        Made("noise", 0.5, "lares"),
        Made("alone", 0.5),
    )
    suite = make_suite(tmp_path, models, controls=controls, seeds=range(1, 6))
    begun = tuple(cell for cell in suite.trials if cell.label != "alone")
    report = build_report(suite.model_copy(update={"trials": begun}), Results(tmp_path))
    assert text(report, "reasoning").startswith("Interim. Open. The gain stays against noise only (")
    assert "Not run yet: no reasoning." in text(report, "reasoning")
    assert verdict(report, "reasoning") == "unfinished"
    assert verdict(build_report(suite, Results(tmp_path)), "reasoning") == "stays in full"


def test_a_gain_that_is_not_shown_stays_so_while_another_control_waits(tmp_path: Path) -> None:
    models = (*SYSTEMS, Made("none", 1.7, "lares"), Made("noise", 0.3, "lares"))
    suite = make_suite(tmp_path, models, controls=CONTROLS)
    begun = tuple(cell for cell in suite.trials if cell.label != "noise")
    report = build_report(suite.model_copy(update={"trials": begun}), Results(tmp_path))
    assert verdict(report, "reasoning") == "not shown"
    assert text(report, "reasoning").startswith("Interim. Not shown. ")
    assert text(report, "reasoning").endswith("Not run yet: noise only.")


def test_no_controls_say_how_to_get_them(tmp_path: Path) -> None:
    report = answered(tmp_path)
    assert text(report, "reasoning") == (
        'Unknown: this suite has no controls. Add controls = "all" to the row LARES.'
    )


def test_a_row_without_steps_is_not_told_to_have_controls(tmp_path: Path) -> None:
    report = answered(tmp_path, proposed=["SASRec"])
    assert text(report, "reasoning") == "SASRec takes no reasoning steps."
    assert verdict(report, "reasoning") == "no steps"


CONTROLS = {
    "none": ControlRecord(of="LARES", control="no-reasoning"),
    "noise": ControlRecord(of="LARES", control="noise-only"),
}


@pytest.mark.parametrize(
    ("skills", "word", "begins"),
    [
        ((0.2, 0.3), "stays in full", "Yes. The gain stays against no reasoning (+0."),
        ((0.2, 1.7), "stays in part", "In part. The gain stays against no reasoning (+0."),
        ((1.7, 1.7), "not shown", "Not shown. The gain is not shown against no reasoning ("),
        ((2.9, 0.3), "reverses", "No. The gain reverses against no reasoning (−0."),
        ((1.7, 0.3), "not shown", "Not shown. The gain is not shown against no reasoning ("),
    ],
)
def test_controls_say_whether_the_gain_stays(
    tmp_path: Path, skills: tuple[float, float], word: str, begins: str
) -> None:
    controls = [Made(name, skill, "lares") for name, skill in zip(CONTROLS, skills, strict=True)]
    report = answered(tmp_path, *SYSTEMS, *controls, controls=CONTROLS)
    assert verdict(report, "reasoning") == word
    assert text(report, "reasoning").startswith(begins)
    assert text(report, "reasoning").endswith("Holm over 2.")


def test_being_better_than_noise_alone_is_no_gain_from_steps(tmp_path: Path) -> None:
    noise = {"noise": CONTROLS["noise"]}
    report = answered(tmp_path, *SYSTEMS, Made("noise", 0.3, "lares"), controls=noise)
    assert verdict(report, "reasoning") == "not shown"
    said = text(report, "reasoning")
    assert said.startswith("Not shown. The gain stays against noise only (+0.")
    assert "Being better than noise says that trained weights use their steps, not that steps help." in said


def test_the_reasoning_table_has_controls_below_their_model(tmp_path: Path) -> None:
    controls = [Made(name, 1.0, "lares") for name in CONTROLS]
    report = answered(tmp_path, *SYSTEMS, *controls, controls=CONTROLS)
    section = next(section for section in make_sections(report) if section.name == "reasoning")
    rows = [[cell.text for cell in row] for row in section.tables[0].rows]
    assert [row[0].strip() for row in rows] == ["LARES", "no reasoning", "noise only"]
    assert rows[1][0].startswith(INDENT)
    assert rows[1][1] == "all reasoning steps"
    assert rows[1][-1] == "stays"
    names = [row[0].text for row in section_of(report, "quality").tables[0].rows]
    assert names == ["SASRec", "LARES", f"{INDENT}none", f"{INDENT}noise"]


def test_depth_is_held_against_no_reasoning_and_a_hole_is_no_gain(tmp_path: Path) -> None:
    flat = Made("LARES", 1.0, "lares", depth=4, depths=(0, 1, 2, 4, 8))
    rising = replace(flat, per_doubling=0.4)
    said = text(answered(tmp_path / "a", flat), "depth")
    assert "is not shown to beat depth 0, no reasoning" in said or "cannot be tested" in said
    assert said.endswith("No depth is shown to differ from the best. Validation would choose depth 0.")
    report = answered(tmp_path / "b", rising)
    assert text(report, "depth").startswith("Depth 4 beats depth 0, no reasoning: +0.")
    assert "Depth 8, the deepest, is best, all others are lower." in text(report, "depth")


@pytest.mark.parametrize("chosen", [0, 4, 8])
def test_another_depth_that_validation_would_choose_is_named(tmp_path: Path, chosen: int) -> None:
    report = answered(tmp_path, Made("LARES", 1.0, "lares", depth=4, depths=(0, 4, 8)))
    (finding,) = report.depth_findings
    answers = make_answers(replace(report, depth_findings=(replace(finding, chosen=chosen),)))
    said = next(answer.text for answer in answers if answer.question == "depth")
    assert (f"Validation would choose depth {chosen}." in said) == (chosen != 4)


def test_one_depth(tmp_path: Path) -> None:
    report = answered(tmp_path, Made("SASRec"), Made("LARES", 1.0, "lares"))
    assert verdict(report, "depth") == "one depth"


def test_cost_is_a_multiple_of_the_rival(tmp_path: Path) -> None:
    report = answered(tmp_path)
    costs = {cost.label: cost for cost in report.costs}
    ratio = costs["LARES"].flops_per_user / costs["SASRec"].flops_per_user
    assert f"{ratio:.2g} × the operations per user of SASRec" in text(report, "cost")


@pytest.mark.parametrize(
    ("operations", "seconds", "said", "word"),
    [
        (30.0, 120.0, "3 × the operations per user of SASRec and 2 × its training time (", "dearer"),
        (5.0, 30.0, "0.5 × the operations per user of SASRec and 0.5 × its training time (", "not dearer"),
    ],
)
def test_costs_are_those_of_the_label_over_those_of_the_rival(
    tmp_path: Path, operations: float, seconds: float, said: str, word: str
) -> None:
    report = answered(tmp_path)
    own = {"LARES": (operations, seconds), "SASRec": (10.0, 60.0)}
    costs = [replace(c, flops_per_user=own[c.label][0], train_seconds=own[c.label][1]) for c in report.costs]
    (cost,) = [a for a in make_answers(replace(report, costs=tuple(costs))) if a.question == "cost"]
    assert said in cost.text
    assert cost.verdict == word


@pytest.mark.parametrize("kind", [WarningKind.DIFFERENT_DEVICES, WarningKind.DIFFERENT_THREADS])
def test_times_of_unlike_machines_are_not_to_be_compared(tmp_path: Path, kind: WarningKind) -> None:
    report = answered(tmp_path)
    said = " Trials ran on unlike machines: do not compare times."
    assert said not in text(report, "cost")
    warned = replace(report, warnings=(ReportWarning(kind, ""),))
    (cost,) = [answer for answer in make_answers(warned) if answer.question == "cost"]
    assert cost.text.endswith(said)


def test_a_rival_that_counts_has_no_operations(tmp_path: Path) -> None:
    report = answered(tmp_path, Made("Popularity", deterministic=True, model="popularity"), SYSTEMS[1])
    assert "operations per user, where Popularity has none" in text(report, "cost")


def test_how_sure_names_what_is_missed_and_the_plan(tmp_path: Path) -> None:
    report = answered(tmp_path)
    (comparison,) = report.comparisons
    said = text(report, "certainty")
    assert f"3 seeds: true differences below about {comparison.minimum_detectable:.4f} may be missed" in said
    assert "A difference of 5 % takes" in said
    assert comparison.variance is not None
    without = comparison.variance.without_one_run
    left_out = f"the difference is +{without.low:.4f} to +{without.high:.4f}."
    assert f"With one run left out, whichever, {left_out}" in said


def test_a_plan_names_the_datasets_that_it_holds_for(tmp_path: Path) -> None:
    report = answered(tmp_path, datasets=("sample", "ml-100k"))
    comparisons = [
        replace(c, variance=c.variance and replace(c.variance, seeds_to_find=plan))
        for c, plan in zip(report.comparisons, (None, 12), strict=True)
    ]
    answers = make_answers(replace(report, comparisons=tuple(comparisons)))
    said = next(answer.text for answer in answers if answer.question == "certainty")
    assert "A difference of 5 % on sample takes more users to find, whatever the seeds. " in said
    assert said.endswith("A difference of 5 % on ml-100k takes about 12 seeds to find.")


def test_a_loss_too_is_told_with_one_run_left_out(tmp_path: Path) -> None:
    report = answered(tmp_path, Made("SASRec", 1.0), Made("LARES", 0.2, "lares"))
    without = report.comparisons[0].variance.without_one_run  # type: ignore[union-attr]
    left_out = f"the difference is −{abs(without.low):.4f} to −{abs(without.high):.4f}."
    assert f"With one run left out, whichever, {left_out}" in text(report, "certainty")


@pytest.mark.parametrize(("plan", "said"), [(3, False), (4, True)])
def test_seeds_that_are_there_are_not_planned(tmp_path: Path, plan: int, said: bool) -> None:
    report = answered(tmp_path)
    (found,) = report.comparisons
    assert found.variance is not None
    planned = replace(found, variance=replace(found.variance, seeds_to_find=plan))
    answers = make_answers(replace(report, comparisons=(planned,)))
    told = next(answer.text for answer in answers if answer.question == "certainty")
    assert (f"A difference of 5 % takes about {plan} seeds to find." in told) == said


def test_several_datasets_are_named(tmp_path: Path) -> None:
    report = answered(tmp_path, datasets=("sample", "ml-100k"))
    said = text(report, "better")
    assert said.startswith("sample: ")
    assert " ml-100k: " in said
    assert said.count("synthetic") == 1


def test_verdicts_that_differ_between_datasets_are_mixed(tmp_path: Path) -> None:
    report = answered(tmp_path, datasets=("sample", "ml-100k"))
    assert verdict(report, "better") == "better"
    first, second = report.comparisons
    changed = replace(report, comparisons=(first, replace(second, verdict=Verdict.WORSE)))
    assert next(make_answers(changed)).verdict == "mixed"


def test_several_proposed_labels_have_answers_each(tmp_path: Path) -> None:
    report = answered(tmp_path, *SYSTEMS, Made("ERL", 1.2, "erl"), proposed=["LARES", "ERL"])
    assert [answer.proposed for answer in report.answers] == ["LARES"] * 6 + ["ERL"] * 6
    (section,) = make_sections(report, Layout(tables=("answer",)))
    assert section.paragraphs[6].title == "ERL, 1 Better?"


def test_the_last_24_lines_of_a_terminal_answer_every_question(tmp_path: Path) -> None:
    report = answered(tmp_path, *SYSTEMS, Made("LARES w/o RPT", 1.5, "lares", depth=4, depths=(0, 4)))
    lines = Terminal(80, styled=False).render(report).splitlines()
    assert max(map(len, lines[-24:])) <= 80
    last = " ".join(lines[-24:])
    for title in ("Answer", "1 Better?", "2 The reasoning?", "3 Which depth?", "4 For whom?"):
        assert title in last
    assert "5 At what cost?" in last
    assert "6 How sure?" in last


@pytest.mark.parametrize("known", list(Verdict))
def test_every_verdict_has_a_template(tmp_path: Path, known: Verdict) -> None:
    report = answered(tmp_path)
    comparison = replace(report.comparisons[0], verdict=known)
    answers = list(make_answers(replace(report, comparisons=(comparison,))))
    assert answers[0].verdict == str(known)
    assert "LARES scores" in answers[0].text
