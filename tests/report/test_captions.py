import json
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from small_data import small_dataset
from synthetic_results import Made, make_suite

from lrbench.report.build import ReportOptions, build_report
from lrbench.report.formats import FORMATS
from lrbench.report.report import Report
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, Match, SuiteRecord


def caption(root: Path, *models: Made, proposed: list[str], seeds: tuple[int, ...] = (1, 2, 3)) -> str:
    return " ".join(
        build_report(make_suite(root, models, seeds=seeds, proposed=proposed), Results(root)).caption
    )


def test_names_protocol_data_seeds_test_family_and_power(report: Report) -> None:
    text = " ".join(report.caption)
    assert text.startswith("Protocol loo-20: leave-one-out, the earliest row of a user-item pair")
    assert "sample: SYNTHETIC data" in text
    assert "The best achievable Recall@10 there is 0.5500." in text
    assert "amazon-2014-beauty: an edition with_underscores & 5%; 400 test users, 500 items." in text
    assert "Mean ± standard deviation over 3 seeds (a deterministic model has one run and no sd)" in text
    assert "by the crossed test" in text
    assert "after Holm over the 6 testable of 6 comparisons" in text
    assert "LARES × every label that is neither proposed nor a control × 2 datasets on NDCG@10" in text
    assert "True differences in NDCG@10 below about " in text
    assert (
        "may be missed. The power to find them is below 80 % at the level of the family, "
        "estimated from these runs." in text
    )


FALLBACK = "This is a fallback; the dataset's first form is amazon-2014-json."
OWN_CLOCKS = "Times count from each user's own first interaction and cannot be compared between users."
SAID = (
    "Its source: this is a fallback; the dataset's first form is amazon-2014-json; times count from each "
    "user's own first interaction and cannot be compared between users."
)


def with_notes(root: Path, *notes: str) -> Report:
    """A suite of a trial with these notes, after one that was stored before there were any."""
    suite = make_suite(root, [Made("Old", 1.0), Made("New")], datasets=("shop",), seeds=(1,), proposed=[])
    results = Results(root)
    for cell, extra in zip(suite.trials, ((), notes), strict=True):
        file = results.trial(cell.trial) / "trial.json"
        record = json.loads(file.read_text(encoding="utf-8"))
        del record["dataset"]["notes"]
        if extra:
            record["dataset"]["notes"] = extra
        file.write_text(json.dumps(record), encoding="utf-8")
    return build_report(suite, results)


@pytest.mark.parametrize("name", ["terminal", "markdown", "latex", "html", "json"])
def test_every_format_says_what_the_data_is_noted_for(tmp_path: Path, name: str) -> None:
    text = FORMATS.load(name)().render(with_notes(tmp_path, FALLBACK, OWN_CLOCKS))
    assert SAID in " ".join(unescape(text).split())


def test_notes_of_the_data_stand_in_its_summary_once(tmp_path: Path) -> None:
    assert with_notes(tmp_path, FALLBACK, OWN_CLOCKS).datasets[0].summary.notes == (FALLBACK, OWN_CLOCKS)


def test_a_trial_keeps_the_notes_of_its_data() -> None:
    dataset = small_dataset()
    noted = replace(dataset, record=dataset.record.model_copy(update={"notes": (FALLBACK,)}))
    assert noted.record.summary.notes == (FALLBACK,)


def test_data_without_notes_has_no_such_sentence(tmp_path: Path) -> None:
    assert "Its source" not in " ".join(with_notes(tmp_path).caption)


def test_power_is_the_range_of_the_comparisons(report: Report) -> None:
    values = [c.minimum_detectable for c in report.comparisons if c.dataset == "sample"]
    assert f"{min(values):.4f} to {max(values):.4f} on sample" in " ".join(report.caption)


def test_columns_without_the_tested_metric_say_so(suite: SuiteRecord, root: Path) -> None:
    report = build_report(suite, Results(root), ReportOptions(metrics=("recall@10",)))
    latex = FORMATS.load("latex")().render(report)
    for text in (" ".join(report.caption), latex):
        assert "by NDCG@10, which is no column" in text
        assert "dagger on" not in text
        assert "is better/worse than the row" not in text


def test_few_seeds_say_not_testable_and_nothing_of_daggers(tmp_path: Path) -> None:
    text = caption(tmp_path, Made("A", 2.0), Made("B"), proposed=["A"], seeds=(1, 2))
    assert "1 comparison: not testable (2 seeds, but a test needs at least 3)." in text
    assert "dagger" not in text
    assert "power" not in text


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    text = caption(tmp_path, Made("A", 2.0), Made("B"), proposed=[], seeds=(1,))
    assert "Mean over 1 seed; the best and the second of a column are marked" in text


def test_unlike_numbers_of_seeds_are_told(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 2.0), Made("B")], seeds=range(1, 6), proposed=[])
    for cell in suite.trials:
        if cell.label == "B" and cell.seed > 2:
            Results(tmp_path).trial(cell.trial).rename(tmp_path / f"gone-{cell.seed}")
    said = " ".join(build_report(suite, Results(tmp_path)).caption)
    assert "Mean ± standard deviation over 2 to 5 seeds;" in said


def test_the_worst_match_of_each_quantity_is_told(tmp_path: Path) -> None:
    """A control may be smaller or larger than its model."""
    controls = {
        label: ControlRecord(of="A", control=kind)
        for label, kind in (("P", "parameter-matched"), ("F", "flops-matched"))
    }
    reached = (("P", "parameters", 97.0), ("P", "parameters", 102.0), ("F", "operations", 101.0))
    matches = tuple(
        Match(label=label, dataset="sample", quantity=quantity, target=100.0, reached=value)
        for label, quantity, value in (*reached, ("not shown", "operations", 150.0))
    )
    models = [Made(label) for label in ("A", *controls)]
    suite = make_suite(tmp_path, models, proposed=["A"], controls=controls, matches=matches)
    said = " ".join(build_report(suite, Results(tmp_path)).caption)
    assert "differ from their models by at most 3.0 % in parameters and 1.0 % in operations" in said


def test_no_family_no_significance(tmp_path: Path) -> None:
    assert "nothing is called significant" in caption(tmp_path, Made("A"), Made("B"), proposed=[])


def test_several_proposed_have_letters(tmp_path: Path) -> None:
    text = caption(tmp_path, Made("A", 2.0), Made("B", 1.0), Made("C"), proposed=["A", "B"])
    assert "the lettered label is better (†) or worse (‡)" in text and "Letters: a A, b B." in text


def test_only_deterministic_models(tmp_path: Path) -> None:
    text = caption(
        tmp_path, Made("P", deterministic=True), Made("Q", 1.0, deterministic=True), proposed=["Q"]
    )
    assert "All models are deterministic" in text
    assert "standard deviation" not in text


def test_ties_are_explained_where_there_are_any(tmp_path: Path) -> None:
    close = caption(tmp_path / "a", Made("A", 1.0, match=0.0), Made("B", 1.0, match=0.0), proposed=["A"])
    far = caption(tmp_path / "b", Made("A", 3.0), Made("B", 0.0), proposed=["A"])
    assert "≈: not separable" in close
    assert "≈" not in far
