"""The setup of experiments in words: facts of the trials, every option, and references that exist."""

from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import Made, make_search, make_suite

from lrbench.config.tuning import Tune
from lrbench.registry import MODELS
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.choices import Choices
from lrbench.report.formats import FORMATS, usual_metrics
from lrbench.report.formats.methods.references import load_references
from lrbench.report.report import Report
from lrbench.store.layout import Results
from lrbench.store.suites import TunedRow
from lrbench.store.trials import read_record

WITHOUT_A_PAPER = {"popularity", "markov", "recurrence"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Report:
    root = tmp_path_factory.mktemp("methods")
    models = [Made("SASRec & co", 0.5), Made("LARES", 1.0, "lares", depth=1, depths=(0, 1), draws=2)]
    suite = make_suite(root, models, ("sample", "amazon-2014-beauty"))
    return build_report(suite, Results(root), ReportOptions(metrics=usual_metrics("methods", suite)))


@pytest.mark.parametrize("name", ["methods", "methods-markdown"])
def test_facts_of_the_trials(made: Report, name: str) -> None:
    text = FORMATS.load(name)().render(made)
    for fact in ("loo-20", "400 users", "9,000 interactions", "3 random seeds", "2.13.0", "f00d", "2 draws"):
        assert fact in text
    assert "NDCG@10 and Recall@10" in text
    assert "crossed test" in text


@pytest.mark.parametrize("name", ["methods", "methods-markdown"])
def test_tuning_is_told_with_its_spaces(made: Report, tmp_path: Path, name: str) -> None:
    assert "Tuning." not in FORMATS.load(name)().render(made)
    results = Results(tmp_path)
    suite = make_suite(tmp_path, [Made("SASRec", 0.5), Made("LARES", 1.0, "lares")])
    search = make_search(tmp_path, read_record(results.trial(suite.trials[0].trial)).config)
    rows = (TunedRow(label="SASRec", dataset="sample", search=search),)
    suite = suite.model_copy(update={"tune": Tune(trials=3), "searches": rows})
    text = " ".join(FORMATS.load(name)().render(build_report(suite, results)).split())
    assert "Tuning." in text
    assert "Each had 3 trials of tree-structured Parzen estimators" in text
    assert "Not tuned: LARES." in text
    assert "Searched for SASRec: dropout of 0.1, 0.3." in text


@pytest.mark.parametrize("name", ["methods", "methods-markdown"])
def test_tests_are_told_though_only_one_row_is_shown(name: str, tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("SASRec", 0.5), Made("LARES", 1.0, "lares")])
    options = ReportOptions(choices=Choices(only=("LARES",)))
    text = " ".join(FORMATS.load(name)().render(build_report(suite, Results(tmp_path), options)).split())
    assert "No comparison is tested" not in text
    assert "crossed test" in text


def test_many_controls_are_not_listed(made: Report) -> None:
    controls = tuple(f"LARES: control {number}" for number in range(1, 7))
    (systems,) = made.families
    for against, words in (
        (controls, "compares LARES with its own controls on"),
        (controls[:1], controls[0]),
    ):
        family = replace(systems, name="reasoning", against=against)
        text = FORMATS.load("methods-markdown")().render(replace(made, families=(family,)))
        assert words in text
        assert controls[5] not in text


def test_settings_of_a_search_are_rounded(made: Report) -> None:
    recipes = tuple(
        replace(recipe, params={"temperature": 0.27950192728967177}) for recipe in made.provenance.recipes
    )
    report = replace(made, provenance=replace(made.provenance, recipes=recipes))
    for name in ("methods-markdown", "markdown"):
        text = FORMATS.load(name)().render(report)
        assert "0.2795" in text
        assert "0.27950" not in text


def test_only_references_of_what_was_used(made: Report) -> None:
    text = FORMATS.load("methods-markdown")().render(made)
    assert "@inproceedings{kang2018sasrec," in text
    assert "@misc{liu2025lares," in text
    assert "@inproceedings{mcauley2015image," in text
    assert text.count("\n@") == 3


def test_latex_cites_what_it_holds(made: Report) -> None:
    text = FORMATS.load("methods")().render(made)
    assert r"\cite{kang2018sasrec,liu2025lares,mcauley2015image}" in text
    assert r"\begin{filecontents*}[overwrite]{demo.bib}" in text
    assert r"Table~\ref{tab:demo-settings}" in text
    assert "SASRec \\& co" in text


def test_rows_that_differ_in_an_option_are_named(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", 1.0), Made("B", 0.5)], proposed=["A"])
    text = FORMATS.load("methods-markdown")().render(build_report(suite, Results(tmp_path)))
    assert "| label | A (A); B (B) |" in text


def test_every_model_of_a_paper_has_a_reference() -> None:
    known = {model for reference in load_references() for model in reference.models}
    assert set(MODELS.names()) - known == WITHOUT_A_PAPER


def test_keys_are_given_once() -> None:
    keys = [reference.key for reference in load_references()]
    assert len(keys) == len(set(keys))
