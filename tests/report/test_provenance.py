import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite, rewrite_record

from lrbench.report.build import ReportOptions, build_report
from lrbench.report.formats import FORMATS
from lrbench.report.layout import Layout
from lrbench.report.provenance import make_provenance
from lrbench.report.report import Report
from lrbench.report.tables import make_sections
from lrbench.store.frames import finished_trials
from lrbench.store.layout import Results
from lrbench.store.trials import read_record

FILE = 'name = "demo"\nseeds = [1, 2, 3]  # `ticks` and <b>'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Report:
    root = tmp_path_factory.mktemp("made")
    versions = {"python": "3.11.7", "torch": "2.9.0", "lrbench": "0.1.0", "commit": "abc123"}
    models = [Made("A", 1.0, draws=2), Made("B", record={"versions": versions, "device": "NVIDIA H100"})]
    suite = make_suite(root, models, proposed=["A"], text=FILE)
    return build_report(suite, Results(root), ReportOptions(command="lrbench report demo"))


def test_versions_devices_and_dates_are_those_of_the_trials(made: Report) -> None:
    origin = made.provenance
    assert origin.versions["torch"] == ("2.13.0", "2.9.0")
    assert origin.versions["commit"] == ("abc123", "unknown")
    assert origin.devices == ("NVIDIA H100", "cpu")
    assert (origin.trials, origin.threads) == (6, (2,))
    assert origin.started.date().isoformat() == "2026-11-01"
    assert [(recipe.label, recipe.draws, recipe.seeds) for recipe in origin.recipes] == [
        ("A", 2, (1, 2, 3)),
        ("B", 1, (1, 2, 3)),
    ]


def test_settings_that_all_rows_share_are_said_once(made: Report) -> None:
    section = next(section for section in make_sections(made) if section.name == "provenance")
    texts = {paragraph.title: paragraph.text for paragraph in section.paragraphs}
    assert "max_epochs = 300" in texts["Training of all rows"]
    assert section.tables[0].rows[0][-1].text == "supervised"
    assert texts["Suite file"] == FILE


def test_options_of_a_model_are_said_once(made: Report) -> None:
    wide, narrow = (
        replace(recipe, params={"width": width, "layers": 2})
        for recipe, width in zip(made.provenance.recipes, (64, 8), strict=True)
    )
    recipes = (wide, narrow, replace(narrow, label="B", params=wide.params))
    report = replace(made, provenance=replace(made.provenance, recipes=recipes))
    section = next(section for section in make_sections(report) if section.name == "provenance")
    written = [row[5].text for row in section.tables[0].rows]
    assert written == ["width = 64, layers = 2", "as A, with width = 8", "as A"]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/home/me/data/ratings.csv (csv)", "ratings.csv (csv)"),
        (r"C:\Users\me\ratings.csv (csv)", "ratings.csv (csv)"),
        ("https://host/a/ratings.csv (csv)", "https://host/a/ratings.csv (csv)"),
    ],
)
def test_a_local_file_is_named_without_its_folders(source: str, shown: str, tmp_path: Path) -> None:
    """Trials of earlier versions stored its path."""
    suite = make_suite(tmp_path, [Made("A"), Made("B")], seeds=[1], proposed=["A"])
    for cell in suite.trials:
        summary = read_record(Results(tmp_path).trial(cell.trial)).dataset
        changed = summary.model_copy(update={"source": source, "synthetic": False})
        rewrite_record(tmp_path, cell.trial, dataset=changed)
    report = build_report(suite, Results(tmp_path))
    for name in ("markdown", "json"):
        text = FORMATS.load(name)().render(report)
        assert shown in text
        assert "Users" not in text
        assert "/home/me" not in text


@pytest.mark.parametrize("name", ["markdown", "html", "json", "csv", "latex", "terminal"])
def test_every_format_says_what_made_it(made: Report, name: str) -> None:
    text = FORMATS.load(name)().render(made)
    for fact in ("2.9.0", "abc123", "NVIDIA H100", "2026-11-01"):
        assert fact in text


def test_json_holds_it_all(made: Report) -> None:
    origin = json.loads(FORMATS.load("json")().render(made))["provenance"]
    assert origin["suite_file"] == FILE
    assert origin["command"] == "lrbench report demo"
    assert origin["recipes"][0]["stages"][0]["training"]["max_epochs"] == 300


def test_a_terminal_shows_the_settings_only_in_full(made: Report) -> None:
    terminal = FORMATS.load("terminal")
    assert "max_epochs" not in terminal().render(made)
    assert "max_epochs" in terminal().render(made, Layout(length="full"))


def test_dates_and_cut_ranks_are_those_of_all_trials_together(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A")], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (2, 1, 3)]
    trials = [
        replace(
            trial, record=trial.record.model_copy(update={"started": day, "ended": day, "exact_ranks_to": to})
        )
        for trial, day, to in zip(finished, days, (20, None, 10), strict=True)
    ]
    made = make_provenance(trials)
    assert (made.started, made.ended) == (days[1], days[2])
    assert made.exact_ranks_to == 10, "greater ranks are not exact in every trial"
