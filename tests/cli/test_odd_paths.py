"""Files and folders of any name, in every verb and option that takes one; none is ever a pattern."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lrbench.cli.app import app

ODD = ["a[1]", "b* c?", "~d %41", "'e' \"f\" 😀"]
DECOYS = {"a[1]": "a1", "b* c?": "bb cc", "~d %41": "~d A", "'e' \"f\" 😀": "e f"}
SUITE = """
name = "odd"
protocol = "loo-50"
datasets = ["shop"]
seeds = [1]
[[models]]
label = "Popularity"
model = "popularity"
"""


def table(users: int) -> str:
    rows = (f"u{user},i{(user + step) % 6},{step}\n" for user in range(users) for step in range(6))
    return "user,item,time\n" + "".join(rows)


@pytest.fixture(params=[(name, absolute) for name in ODD for absolute in (False, True)], ids=str)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of an odd name with files of odd names, beside what a pattern would find."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LRBENCH_MIRROR", raising=False)
    name, absolute = request.param
    for folder in (name, DECOYS[name]):
        (tmp_path / folder).mkdir()
        for stem in (name, DECOYS[name]):
            users = 7 if folder == stem == name else 9
            (tmp_path / folder / f"{stem}.csv").write_text(table(users), encoding="utf-8")
    folder = Path(name).absolute() if absolute else Path(name)
    (folder / f"{name}.toml").write_text(SUITE, encoding="utf-8")
    return folder


def lrbench(*arguments: str | Path) -> str:
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def fetch(place: Path) -> str:
    columns = ("--columns", "user=user,item=item,time=time")
    file = place / f"{place.name}.csv"
    return lrbench("fetch", "shop", "--from", file, *columns, "--data-dir", place / "data")


def test_looking_at_data(place: Path) -> None:
    assert "7 users, 6 items, 42 interactions" in fetch(place)
    assert "42" in lrbench("inspect", "shop", "--data-dir", place / "data")
    catalogue = place / f"{place.name} catalogue.toml"
    file = f"{place.name}.csv".replace("'", "\\u0027").replace('"', '\\"')
    catalogue.write_text(
        f'[dataset.mine]\nedition = "x"\nreader = "csv"\npath = "{file}"\n', encoding="utf-8"
    )
    options = ("--catalog", catalogue, "--data-dir", place / "data")
    assert "7 users, 6 items, 42 interactions" in lrbench("fetch", "mine", *options)
    assert "mine" in lrbench("list", "datasets", *options)
    assert "1 trial, 1 to run" in lrbench(
        "run",
        place / f"{place.name}.toml",
        "--results",
        place / "r",
        "--data-dir",
        place / "data",
        "--dry-run",
    )


@pytest.mark.slow
@pytest.mark.parametrize("place", [("a[1]", True), ("b* c?", False)], indirect=True)
def test_from_training_to_the_report(place: Path) -> None:
    fetch(place)
    results = ("--results", place / "r")
    data = ("--data-dir", place / "data")
    lrbench("run", place / f"{place.name}.toml", *results, *data, "--workers", "1")
    assert "1" in lrbench("status", "odd", *results)
    for form in ("markdown", "json", "html", "latex", "csv"):
        file = place / f"{place.name} report.{form}"
        lrbench("report", "odd", *results, "--format", form, "--output", file)
        assert "Popularity" in file.read_text(encoding="utf-8")
    trial = next((place / "r" / "trials").iterdir()).name
    assert lrbench("verify", trial, *results, *data)
    assert lrbench("evaluate", trial, *results, *data)
