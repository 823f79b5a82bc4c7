import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from lrbench.cli.fetch import fetch
from lrbench.cli.listing import Kind, listing
from lrbench.config.controls import CONTROLS
from lrbench.config.protocol import PROTOCOLS
from lrbench.errors import RequestError
from lrbench.models.base import GradientStage
from lrbench.registry import MODELS


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def listed(capsys: pytest.CaptureFixture[str], kind: Kind, pattern: str = "", **options) -> list[str]:
    listing(kind, pattern, **options)
    return capsys.readouterr().out.splitlines()


def test_datasets_with_their_editions_and_what_is_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "prepared" / "ml-1m" / "0123"
    here.mkdir(parents=True)
    (here / "dataset.json").write_text("{}", encoding="utf-8")
    lines = listed(capsys, Kind.datasets, "ml-1", data_dir=tmp_path)
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [
        "ml-100k",
        "ml-1m",
        "ml-10m",
        "recbole-ml-100k",
        "sasrec-ml-1m",
    ]
    assert lines[0].startswith("MovieLens")
    assert re.match(r"  ml-1m +1,000,209 rows +MovieLens 1M, February 2003", lines[2])
    assert [line.split()[0] for line in lines if line.endswith("[prepared]")] == ["ml-1m"]


@pytest.mark.parametrize("pattern", ["MovieLens", "movielens", "ML-1M"])
def test_names_and_headings_are_found_whatever_their_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pattern: str
) -> None:
    names = [line.split()[0] for line in listed(capsys, Kind.datasets, pattern, data_dir=tmp_path) if line]
    assert "ml-1m" in names
    assert ("ml-100k" in names) == (pattern != "ML-1M")
    assert any(line.startswith("sasrec ") for line in listed(capsys, Kind.models, "SASRec"))


def test_controls_are_those_of_all_models(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError, match='lists all controls; it takes no "sasrec"'):
        listed(capsys, Kind.models, "sasrec", controls=True)


def test_categories_of_a_family_stand_under_one_heading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = listed(capsys, Kind.datasets, "amazon-2023-", data_dir=tmp_path)
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert [heading.split(":")[0] for heading in headings[:3]] == ["Amazon Reviews 2023"] * 3
    assert any(re.match(r"  amazon-2023-all-beauty +2,535 rows +0\.1 MB$", line) for line in lines)
    assert headings[0].endswith("(28)"), "the name of a category says it; the heading counts them"


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("kind", [Kind.datasets, Kind.models, Kind.suites, Kind.protocols])
def test_lists_break_between_words_at_the_width_of_the_terminal(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    columns: int,
) -> None:
    words = " ".join(listed(capsys, kind, data_dir=tmp_path)).split()
    monkeypatch.setenv("COLUMNS", str(columns))
    narrow = listed(capsys, kind, data_dir=tmp_path)
    assert " ".join(narrow).split() == words, "no word is cut, none is lost"
    least = 72 if kind is Kind.datasets else 0  # the longest name and its sizes are one line
    assert max(map(len, narrow)) <= max(columns, least)


def test_rows_before_any_filter_are_those_that_a_prepared_form_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The catalogue does not know them of this file."""
    pairs = [f"{user} {item}\n" for user in range(6) for item in range(6)] + ["7 8\n"]
    source = tmp_path / "pairs.txt"
    source.write_text("".join(pairs), encoding="utf-8")
    fetch(["sasrec-beauty"], given=str(source), data_dir=tmp_path)
    _, line = listed(capsys, Kind.datasets, "sasrec-beauty", data_dir=tmp_path)
    assert " 37 rows " in line
    (record,) = (tmp_path / "prepared" / "sasrec-beauty").glob("*/dataset.json")
    record.write_text('{"counts": []}', encoding="utf-8")
    _, line = listed(capsys, Kind.datasets, "sasrec-beauty", data_dir=tmp_path)
    assert " rows " not in line


def test_aliases_name_the_true_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = listed(capsys, Kind.datasets, "amazon-beauty", data_dir=tmp_path)
    assert [line.split() for line in lines] == [["Aliases"], ["amazon-beauty", "=", "amazon-2014-beauty"]]


def test_datasets_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "my.toml"
    own.write_text('[dataset.shop]\nedition = "orders"\nreader = "csv"\npath = "x.csv"\n', encoding="utf-8")
    assert listed(capsys, Kind.datasets, "shop", data_dir=tmp_path, catalog=own)[:2] == [
        "Your own datasets",
        "  shop  orders",
    ]


def test_the_other_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    protocols = [line for line in listed(capsys, Kind.protocols) if not line.startswith(" ")]
    assert [line.split()[0] for line in protocols] == list(PROTOCOLS)
    assert [line.split()[0] for line in listed(capsys, Kind.models)] == MODELS.names()
    controls, others = listed(capsys, Kind.suites, "controls")
    assert " ".join(controls.split()) == "controls loo-50: 5 rows and 20 controls × amazon-beauty × 5 seeds"
    assert others.startswith("reference-controls ")
    with pytest.raises(RequestError, match='No name among the suites has "nothing" in it'):
        listed(capsys, Kind.suites, "nothing")


@pytest.mark.parametrize("name", MODELS.names())
def test_a_whole_name_shows_stages_and_every_option_with_its_meaning(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    model = MODELS.load(name)
    page = "\n".join(listed(capsys, Kind.models, name))
    assert model.summary in page
    assert all(f"  {stage} (" in page for stage in model.stages)
    for option, field in model.Config.model_fields.items():
        assert f"  {option} = " in page
        assert field.description, f"{name}.{option} says nothing of its meaning"


def sources(page: list[str]) -> dict[str, str]:
    """Return option → the heading above it on the page."""
    found, heading = {}, ""
    for line in page:
        if line.startswith("Options"):
            heading = line
        elif option := re.match(r"  (\w+) = ", line):
            found[option[1]] = heading
    return found


@pytest.mark.parametrize("name", MODELS.names())
def test_every_option_stands_under_the_source_of_its_default(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    found = sources(listed(capsys, Kind.models, name))
    assert found.keys() == MODELS.load(name).Config.model_fields.keys()
    nameless = [option for option, heading in found.items() if not heading.startswith("Options (defaults: ")]
    assert not nameless


def test_an_option_has_the_source_of_the_last_class_that_declares_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    duorec, hstu = (sources(listed(capsys, Kind.models, name)) for name in ("duorec", "hstu"))
    assert "RuihongQiu/DuoRec" in duorec["contrast"]
    assert "RecBole" in duorec["layers"]
    assert "lrbench's own choice" in duorec["loss"]
    assert "ML-1M" in hstu["loss"]


@pytest.mark.parametrize("name", MODELS.names())
def test_what_the_authors_train_otherwise_is_on_the_page(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    page = listed(capsys, Kind.models, name)
    trained = any(issubclass(stage, GradientStage) for stage in MODELS.load(name).stages.values())
    assert any(line.startswith("Training settings") for line in page) == trained


@pytest.mark.parametrize("name", MODELS.names())
def test_values_and_types_are_in_the_words_of_a_suite_file(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    page = "\n".join(listed(capsys, Kind.models, name))
    assert "typing." not in page
    assert "None" not in page


def test_own_defaults_of_a_stage_stand_beside_the_usual_ones(capsys: pytest.CaptureFixture[str]) -> None:
    page = " ".join(" ".join(listed(capsys, Kind.models, "latentr3")).split())
    assert 'learning_rate = 0.0003 (0.001), warmup_steps = 20 (0), decay = "linear" ("none")' in page
    assert "gradient_clip = 1.0 (none)" in page
    assert 'base_precision = none ("float32" | "bfloat16" or none)' in page


def test_a_broken_package_hides_no_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = EntryPoint("broken", "no_such_module:Broken", "lrbench.models")
    monkeypatch.setitem(vars(MODELS), "_foreign", {"broken": broken})
    lines = listed(capsys, Kind.models)
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == MODELS.names()
    assert re.search('^broken +The model "broken" of no_such_module.* ModuleNotFoundError', lines[-1])
    with pytest.raises(RequestError, match="cannot be loaded"):
        listing(Kind.models, "broken")


def test_the_list_of_models_says_how_to_see_one(capsys: pytest.CaptureFixture[str]) -> None:
    listing(Kind.models)
    assert "lrbench list models NAME" in capsys.readouterr().err
    listing(Kind.suites)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("bsarec", "It is not causal: every prefix is a training row."),
        ("bert4rec", "It is not causal: whole sequences are training rows."),
        ("sasrec", None),
    ],
)
def test_training_rows_of_what_is_not_causal(
    capsys: pytest.CaptureFixture[str], name: str, rows: str | None
) -> None:
    said = [line for line in listed(capsys, Kind.models, name) if "causal:" in line]
    assert said == ([rows] if rows else [])


def test_controls_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    listing(Kind.models, controls=True)
    text = capsys.readouterr().out
    assert all(control in text for control in CONTROLS)
    with pytest.raises(RequestError):
        listing(Kind.suites, controls=True)


def test_a_name_that_nothing_has_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError, match='No name among the models has "esasrc"') as refused:
        listing(Kind.models, "esasrc")
    assert 'Did you mean "esasrec"?' in str(refused.value)
    assert capsys.readouterr().out == ""
