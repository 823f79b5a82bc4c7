"""Commands that messages name are right as they are printed."""

import shlex
from pathlib import Path

import pytest

from lrbench.cli.app import run, verb_with_options
from lrbench.commands import TAKEN, command, repeating
from lrbench.errors import RequestError

SUITE = """
name = "demo"
protocol = "loo-20"
datasets = ["sample"]
seeds = [1]

[[models]]
label = "Popularity"
model = "popularity"
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRBENCH_DATA", str(tmp_path / "usual data"))
    (tmp_path / "my suites").mkdir()
    (tmp_path / "my suites" / "demo.toml").write_text(SUITE, encoding="utf-8")
    return tmp_path


def run_printed(text: str) -> int:
    """Run the command that ends a message, as a shell would."""
    _, found, rest = text.rstrip().rpartition(": lrbench ")
    assert found, text
    return run(shlex.split(rest))


@pytest.mark.parametrize(("verb", "repeated"), TAKEN.items())
def test_verbs_take_the_options_that_they_repeat(verb: str, repeated: tuple[str, ...]) -> None:
    taken = {option for param in verb_with_options(verb.split(maxsplit=1)[0]).params for option in param.opts}
    assert set(repeated) <= taken


@pytest.mark.parametrize(
    ("typed", "words", "expected"),
    [
        ("", "fetch a", "fetch a"),
        ("--data-dir 'my data' --catalog c.toml", "fetch a", "fetch a --data-dir 'my data' --catalog c.toml"),
        ("--data-dir=d", "inspect a --protocol p", "inspect a --data-dir d --protocol p"),
        ("--data-dir d", "status a", "status a"),
        ("--data-dir c --data-dir d", "list datasets", "list datasets --data-dir d"),
        ("--results 'a b'", "import x.zip", "import x.zip --results 'a b'"),
        ("--results results/", "import x.zip", "import x.zip"),
        ("--results r", "list datasets", "list datasets"),
    ],
)
def test_a_command_repeats_the_options_that_it_takes(typed: str, words: str, expected: str) -> None:
    with repeating(shlex.split(typed)):
        assert command(*shlex.split(words)) == f"lrbench {expected}"
    assert "--" not in command("fetch", "a"), "the options are those of one command line"


def test_a_results_folder_that_is_known_is_named_whatever_was_typed() -> None:
    with repeating(["--results", "typed"]):
        assert command("status", "a", results=Path("known")) == "lrbench status a --results known"
        assert command("status", "a", results=Path("results")) == "lrbench status a"


def test_a_dry_run_says_how_to_prepare_data_in_its_folder(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["run", "my suites/demo.toml", "--data-dir", "my data", "--results", "r s", "--dry-run"])
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith("lrbench fetch sample --data-dir 'my data' --protocol loo-20")
    assert run_printed(said) == 0
    assert list((place / "my data" / "prepared" / "sample").iterdir())
    capsys.readouterr()
    run(["run", "my suites/demo.toml", "--data-dir", "my data", "--results", "r s", "--dry-run"])
    assert "Prepare the data" not in capsys.readouterr().out


def test_an_unknown_dataset_says_how_to_list_those_of_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError, match='There is no dataset "nope"') as caught:
        run(["inspect", "nope", "--data-dir", "my data"])
    assert run_printed(caught.value.remedy) == 0
    assert "sample" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["my suites/demo.toml", "demo"])
def test_a_suite_that_was_never_run_says_how_to_run_it(
    place: Path, given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if given == "demo":
        monkeypatch.chdir(place / "my suites")
    with pytest.raises(RequestError, match='"demo" was never run') as caught:
        run(["report", given, "--results", "r s", "--data-dir", "my data"])
    assert caught.value.remedy.endswith(" --results 'r s' --data-dir 'my data'")
    assert run_printed(f"{caught.value.remedy} --dry-run") == 0
    assert "1 trial, 1 to run." in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["report"], ["status"], ["verify"], ["logs", "x"], ["export", "--archive", "x.zip"]]
)
def test_where_nothing_ran_a_run_into_that_folder_is_advised(words: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        run([*words, "--results", "r s"])
    assert caught.value.remedy.endswith("lrbench run SUITE.toml --results 'r s'")
