"""The published audit: its archive gives its report again, and the page in words has the report's numbers."""

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from desk import Desk

REPOSITORY = Path(__file__).parents[2]
AUDIT = REPOSITORY / "results" / "audit"
CONTROLS = ("no reasoning", "parameter matched", "flops matched", "loss matched", "noise only")


@pytest.fixture(scope="module")
def page() -> str:
    return (AUDIT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def commands(page: str) -> list[list[str]]:
    """The commands that repeat the report, without the word lrbench and without the redirection."""
    found = re.search(r"## Repeat it\n\n```sh\n(.*?)```", page, re.DOTALL)
    assert found is not None
    lines = [shlex.split(line, comments=True) for line in found[1].splitlines()]
    return [line[1 : line.index(">") if ">" in line else None] for line in lines]


@pytest.fixture(scope="module")
def repeated(commands: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A folder in which the archive was imported."""
    desk = Desk(tmp_path_factory.mktemp("audit"))
    desk.environment["LRBENCH_MIRROR"] = os.environ["LRBENCH_MIRROR"]
    *before, _ = commands
    for command in before:
        desk.run(*(str(REPOSITORY / word) if word.startswith("results/") else word for word in command))
    return desk


@pytest.mark.slow
@pytest.mark.real_data
def test_the_archive_gives_the_report_byte_for_byte(repeated: Desk, commands: list[list[str]]) -> None:
    assert repeated.run(*commands[-1]).stdout == (AUDIT / "report.md").read_text(encoding="utf-8")


def test_the_readme_quotes_the_answer_of_the_report() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (quoted,) = re.findall(r"```text\n(1 Better\? Shown .*?)```", readme, re.DOTALL)
    report = (AUDIT / "report.md").read_text(encoding="utf-8").replace("**", "")
    assert " ".join(quoted.split()) in " ".join(report.split())


@pytest.mark.slow
@pytest.mark.real_data
def test_the_page_has_the_numbers_of_the_report(repeated: Desk, page: str) -> None:
    report = json.loads(repeated.run("report", "audit", "--results", "audited", "--format", "json").stdout)
    compared = {
        (row["proposed"], row["baseline"]): row for row in report["comparisons"] if row["metric"] == "ndcg@10"
    }
    scored = {row["label"]: row for row in report["rows"] if row["metric"] == "ndcg@10"}
    beside, controlled = tables(page)[1:4:2]
    yardsticks = beside[0][2:]
    for label, score, *cells in beside[1:]:
        assert score == f"{plain(scored[label]['mean'])} ± {plain(scored[label]['sd'])}"
        assert [*cells] == [
            beside_text(compared[label, yardstick]) if label in report["proposed"] else ""
            for yardstick in yardsticks
        ]
    assert [label for label, *_ in controlled[1:]] == report["proposed"]
    for label, *cells in controlled[1:]:
        for control, cell in zip(CONTROLS, cells, strict=True):
            row = compared.get((label, f"{label}: {control}"))
            assert cell == ("–" if row is None else control_text(row))


def tables(page: str) -> list[list[list[str]]]:
    """The tables of a page: rows of cells, without the line under the heading."""
    found = re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)
    rows = [[line.strip().strip("|").split("|") for line in table.splitlines()] for table in found]
    return [[[cell.strip() for cell in row] for row in (table[0], *table[2:])] for table in rows]


def beside_text(row: dict[str, Any]) -> str:
    """Percent of the yardstick with its interval; bold: shown."""
    value, low, high = (percent(row[name]) for name in ("relative", "relative_low", "relative_high"))
    return f"{bold(value, row)} [{low}, {high}]"


def control_text(row: dict[str, Any]) -> str:
    """The difference with its interval and p; bold: shown."""
    value, low, high = (signed(row[name]) for name in ("difference", "ci_low", "ci_high"))
    p = row["p_holm"]
    said = "< .001" if p < 0.001 else "1" if p >= 0.9995 else plain(p, 3)
    return f"{bold(value, row)} [{low}, {high}], p {said}"


def bold(text: str, row: dict[str, Any]) -> str:
    return f"**{text}**" if row["p_holm"] < 0.05 else text


def plain(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}f}".lstrip("0")


def signed(value: float) -> str:
    return f"{'+' if value >= 0 else '−'}{plain(abs(value))}"


def percent(value: float) -> str:
    return f"{'+' if value >= 0 else '−'}{abs(100 * value):.0f}"
