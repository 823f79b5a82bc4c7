"""What ``lrbench inspect`` writes, and where."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lrbench.cli.app import app
from lrbench.errors import RequestError

TOY = "user,item,when\n" + "".join(
    f"u{user},i{(user + step) % 6},{step}\n" for user in range(6) for step in range(5)
)


def run(*arguments: str) -> str:
    outcome = CliRunner().invoke(app, ["inspect", *arguments], catch_exceptions=False)
    assert outcome.exit_code == 0
    return outcome.stdout


@pytest.fixture
def own(tmp_path: Path) -> list[str]:
    """Return the options that name a dataset of one's own, ``toy``."""
    (tmp_path / "toy.csv").write_text(TOY, encoding="utf-8")
    (tmp_path / "my.toml").write_text(
        f'[dataset.toy]\nedition = "six users"\nreader = "csv"\npath = "{tmp_path / "toy.csv"}"\n'
        'options = { time = "when" }\n',
        encoding="utf-8",
    )
    return ["toy", "--catalog", str(tmp_path / "my.toml"), "--data-dir", str(tmp_path / "data")]


def test_the_sample_is_labelled_synthetic(tmp_path):
    text = run("sample", "--data-dir", str(tmp_path))
    assert "SYNTHETIC" in text
    assert "known from the generator: 0.5171" in text
    assert [line.split() for line in text.splitlines() if line.startswith(" 5-core")] == [
        ["5-core", "2,000", "1,000", "25,000"]
    ]


def test_tables(own):
    lines = [" ".join(line.split()) for line in run(*own).splitlines()]
    assert lines[0] == "toy: six users"
    assert "source 6 6 30" in lines
    assert "of a user 5.0 5 5 5 5 5 5 5" in lines
    assert "users whose last two interactions have the same time 0.0%" in lines
    assert "test targets before some training interaction of another user 0.0%" in lines
    assert "test targets with the time of their last input 0.0%" in lines
    assert "items with the title of another item not known" in lines
    assert "! their order is that of the file" not in lines


def test_a_narrow_terminal_cuts_no_number(own, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = run(*own)
    assert "…" not in text
    numbers = [line.split()[3:] for line in text.splitlines() if line.startswith(" of a user")]
    assert [" ".join(block) for block in numbers] == ["5.0 5 5 5", "5 5 5", "5"]


def test_a_remark_follows_each_suspicious_figure(own, tmp_path):
    header, *rows = TOY.splitlines()
    (tmp_path / "toy.csv").write_text("\n".join([header, *(row for row in rows for _ in range(2))]))
    lines = [" ".join(line.split()) for line in run(*own).splitlines()]
    assert any("30 of 60 rows of the source (50%) are exact copies" in line for line in lines)
    for figure, remark in (
        ("interactions that are exact copies of another 50.0%", "! rows were written twice"),
        (
            "test targets that are the last input again 100.0%",
            "! recommending what came before is hard to beat",
        ),
        ("test targets with the time of their last input 100.0%", "! their order is that of the file"),
    ):
        assert lines[lines.index(figure) + 1] == remark


def test_json_is_all_that_stdout_holds(own):
    result = json.loads(run(*own, "--format", "json"))
    assert result["dataset"]["counts"][0]["interactions"] == 30
    assert result["leakage"] == {"targets": 0.0, "training": 0.0, "same_item": 0.0}
    assert result["guards"]["copies"] == 0
    assert set(result["order"]) == {
        "recall_at_10",
        "ties_shuffled_recall_at_10",
        "shuffled_recall_at_10",
        "ratio",
    }


def test_the_protocol_s_filters(own):
    result = json.loads(run(*own, "--protocol", "loo-20", "--format", "json"))
    assert result["dataset"]["filters"]["repeats"] == "first"


@pytest.mark.parametrize("arguments", [["no-such-dataset"], ["sample", "--protocol", "loo-21"]])
def test_wrong_names_are_requests(tmp_path, arguments):
    with pytest.raises(RequestError):
        run(*arguments, "--data-dir", str(tmp_path))
