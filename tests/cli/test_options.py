import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lrbench.cli.app import app
from lrbench.cli.options import parse_list, parse_numbers, parse_pairs
from lrbench.errors import RequestError


@pytest.mark.parametrize("verb", [("report",), ("plot", "depth"), ("evaluate", "any")], ids=" ".join)
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_read(
    verb: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for output, message in (
        (tmp_path, "is a folder"),
        (tmp_path / "file" / "x", "Not a directory"),
        (Path("/proc/x"), "Nothing can be written to /proc"),
    ):
        result = CliRunner().invoke(app, [*verb, "--results", str(tmp_path), "--output", str(output)])
        assert isinstance(result.exception, RequestError)
        assert message in result.exception.cause
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_pipe_needs_no_room_beside_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = CliRunner().invoke(
        app, ["report", "--results", str(tmp_path), "--output", str(tmp_path / "pipe")]
    )
    assert "There are no suites" in str(result.exception)


def test_a_list_may_hold_names_with_commas() -> None:
    assert parse_list(r"LARES (2\, tied) , SASRec,", "--only") == ["LARES (2, tied)", "SASRec"]


def test_ranges_are_spelled_out() -> None:
    assert parse_numbers("0-2, 4-4,7", "--depth", 9) == [0, 1, 2, 4, 7]
    assert parse_numbers(None, "--gpus", 9) == []


@pytest.mark.parametrize(
    "text", ["5-2", "x", "1-", "-1", "²", "٣", "9" * 5000, "0-99999999999", "10001", "0-10001"]
)
def test_what_holds_no_number_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="--depth: "):
        parse_numbers(f"1,{text}", "--depth", 10_000)


def test_pairs_of_names_and_values() -> None:
    assert parse_pairs("user=A, item = b c ,separator=\t", "--columns") == {
        "user": "A",
        "item": "b c",
        "separator": "\t",
    }
    assert parse_pairs(r"time_format=%d.%m.%Y\, %H:%M,user=a=b", "--columns") == {
        "time_format": "%d.%m.%Y, %H:%M",
        "user": "a=b",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("user", "not understood"),
        ("user=", "not understood"),
        ("=a", "not understood"),
        ("", "not understood"),
        ("user=a,item=b,user=c", '"user" is given twice'),
        ("user=a,,item=b", "not understood"),
    ],
)
def test_pairs_that_are_none_or_twice(text: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        parse_pairs(text, "--columns")
