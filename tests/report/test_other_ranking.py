"""A suite declares its tests for one ranking, and a report of the other one says that it is exploratory."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite, section_of

from lrbench.config.protocol import find_protocol
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.formats import FORMATS
from lrbench.report.layout import Layout
from lrbench.report.loaded import LoadedSuite
from lrbench.report.plots import PLOTS, PlotSource
from lrbench.report.report import Report
from lrbench.store.declarations import Declaration
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, SuiteRecord

SAID = "The suite declared its tests for the other ranking: these are exploratory."
MODELS = (Made("SASRec", 0.5), Made("LARES", 1.7, "lares"), Made("plain", 0.9, "lares"))
OTHER_HEADING = "Comparisons, in a ranking that was not declared"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def declared(place: Path) -> SuiteRecord:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    claim = Declaration(
        time=moment, proposed=("LARES",), primary_metric="ndcg@10", margin=0.02, seeds=(1, 2, 3), finished=0
    )
    controls = {"plain": ControlRecord(of="LARES", control="no-reasoning")}
    return make_suite(place, MODELS, controls=controls, declarations=(claim,))


@pytest.fixture(scope="module")
def in_ranking(declared: SuiteRecord, place: Path) -> Callable[[str, bool], Report]:
    def made(protocol: str, masked: bool) -> Report:
        suite = declared.model_copy(update={"protocol": find_protocol(protocol)})
        return build_report(suite, Results(place), ReportOptions(masked=masked))

    return made


@pytest.mark.parametrize(
    ("protocol", "masked", "other"),
    [
        ("loo-20", False, False),
        ("loo-20", True, True),
        ("loo-50-masked", True, False),
        ("loo-50-masked", False, True),
    ],
)
def test_only_the_ranking_of_the_protocol_is_declared(
    in_ranking: Callable[[str, bool], Report], protocol: str, masked: bool, other: bool
) -> None:
    report = in_ranking(protocol, masked)
    caption, cells = " ".join(report.caption), section_of(report, "quality").tables[0].rows
    assert (SAID in caption) == other
    assert ("A dagger on a row" in caption) != other
    assert ("Declared on 2026-01-02, before any of its trials" in caption) != other
    assert any("†" in cell.marks for row in cells for cell in row) != other
    assert section_of(report, "comparison").heading == (OTHER_HEADING if other else "Declared comparisons")
    titles = [section_of(report, name).tables[0].title for name in ("comparison", "reasoning")]
    assert ["(exploratory)" in title for title in titles] == [other, other]


def test_answers_on_tests_end_with_a_word_and_are_no_declared_ones(
    in_ranking: Callable[[str, bool], Report],
) -> None:
    told = {answer.question: answer for answer in in_ranking("loo-20", True).answers}
    ends = {question: answer.text.endswith(" Exploratory.") for question, answer in told.items()}
    assert ends == {question: question in ("better", "reasoning") for question in told}
    assert told["certainty"].verdict == "exploratory"
    usual = {answer.question: answer for answer in in_ranking("loo-20", False).answers}
    assert not any(answer.text.endswith("Exploratory.") for answer in usual.values())
    assert usual["certainty"].verdict == "as declared"


def test_answers_about_many_labels_say_it_too(tmp_path: Path) -> None:
    models = [Made("SASRec", 0.5), *(Made(f"P{number}", 1.5, "lares") for number in range(4))]
    suite = make_suite(tmp_path, models, proposed=[made.label for made in models[1:]])
    report = build_report(suite, Results(tmp_path), ReportOptions(masked=True))
    text = FORMATS.load("markdown")().render(report, Layout(tables=("overview", "answer")))
    assert "At a glance: sample (exploratory)" in text
    (better,) = [line for line in text.splitlines() if line.startswith("**1 Better?**")]
    assert better.endswith(" Exploratory.")


@pytest.mark.parametrize("name", ["markdown", "terminal", "latex", "html", "methods", "methods-markdown"])
def test_every_format_for_people_says_it(in_ranking: Callable[[str, bool], Report], name: str) -> None:
    def rendered(masked: bool) -> str:
        return " ".join(FORMATS.load(name)().render(in_ranking("loo-20", masked)).split())

    assert "for the other ranking: these are exploratory." in rendered(masked=True)
    assert "Declared comparisons" not in rendered(masked=True)
    assert "†/‡" not in rendered(masked=True)
    assert "for the other ranking" not in rendered(masked=False)


def test_programs_are_told(in_ranking: Callable[[str, bool], Report]) -> None:
    render = FORMATS.load("json")().render
    told = [json.loads(render(in_ranking("loo-20", masked)))["exploratory"] for masked in (False, True)]
    assert told == [False, True]


def test_a_forest_of_the_other_ranking_or_another_metric_fills_no_marker(
    in_ranking: Callable[[str, bool], Report],
) -> None:
    def filled(report: Report) -> int:
        (panel,) = PLOTS.load("forest")(PlotSource(report)).axes
        assert ("(exploratory)" in " ".join(panel.get_xlabel().split())) == report.exploratory
        return sum(line.get_markerfacecolor() == "#000000" for line in panel.lines)

    usual = in_ranking("loo-20", False)
    assert filled(usual) > 0
    assert filled(in_ranking("loo-20", True)) == 0
    assert filled(replace(usual, primary_metric="recall@10")) == 0


def test_python_has_the_same_sentence(declared: SuiteRecord, place: Path) -> None:
    loaded = LoadedSuite(declared, Results(place))
    assert SAID in loaded.report("json", masked=True)
    assert SAID not in loaded.report("json")


def test_a_suite_that_declares_nothing_has_no_other_ranking(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, MODELS, proposed=())
    report = build_report(suite, Results(tmp_path), ReportOptions(masked=True))
    assert not report.exploratory
    assert SAID not in report.caption
