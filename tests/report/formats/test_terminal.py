import re

import pytest

from lrbench.report.formats.terminal import KEPT, Terminal
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables import Cell, Section, Table

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("styled", [True, False])
def test_no_line_is_wider_than_the_terminal(report: Report, width: int, styled: bool) -> None:
    text = ESCAPE.sub("", Terminal(width, styled).render(report))
    assert max(len(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("width", range(40, 121, 9))
def test_numbers_stay_with_their_units_and_signs(report: Report, width: int) -> None:
    text = Terminal(width, styled=False).render(report, Layout(length="full"))
    assert re.search(r"\d %", text) and re.search(r"p [=<] \d", text)
    assert not re.search(r"(\d\s*\n\s*%)|(±\s*\n)|(\bp\s*\n\s*[=<])|([=<]\s*\n\s*\d)", text)
    assert KEPT not in text


def test_every_column_is_shown_whatever_the_width(report: Report) -> None:
    for width in (40, 80, 120):
        text = Terminal(width, styled=False).render(report)
        for metric in ("Recall@5", "Recall@10", "Recall@20", "NDCG@5", "NDCG@10", "NDCG@20"):
            assert re.search(rf"{metric}\s", text)
        for row in report.rows:
            assert f"{row.mean:.4f}" in text


def test_wide_terminals_have_one_block(report: Report) -> None:
    text = Terminal(200, styled=False).render(report)
    header = next(line for line in text.splitlines() if "Recall@5" in line)
    assert "NDCG@20" in header


def test_signs_stand_for_styles_where_there_are_none(report: Report) -> None:
    plain = Terminal(120, styled=False).render(report)
    assert "\x1b" not in plain
    assert re.search(r"LARES +\*0\.", plain)
    assert "* best, _ second" in plain
    assert not re.search(r"\bbold\b|underlined", plain, re.IGNORECASE)


def test_styles_where_they_can_be_shown(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    styled = Terminal(120, styled=True).render(report)
    best = next(row for row in report.rows if row.best)
    assert f"\x1b[1m{best.mean:.4f}" in styled
    assert "* best" not in styled


def test_no_colour_on_request(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    colours = re.findall(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", Terminal(120, styled=True).render(report))
    assert colours == []


@pytest.mark.parametrize("width", [60, 80])
def test_a_text_wider_than_the_terminal_is_broken_beside_the_name_of_its_row(
    report: Report, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings that tuning chose are such a text."""
    chosen = ", ".join(f"training.option_{number} = {number}.5" for number in range(8))
    section = Section("Tuning", ("Model", "chosen"), (Table("T", ((Cell("SASRec"), Cell(chosen)),)),), ())
    monkeypatch.setattr("lrbench.report.formats.terminal.make_sections", lambda *_: [section])
    lines = Terminal(width, styled=False).render(report).splitlines()
    (first,) = (number for number, line in enumerate(lines) if line.startswith("SASRec "))
    shown = " ".join(" ".join(lines[first : lines.index("", first)]).split())
    assert shown == f"SASRec {chosen}"
    assert all(line.startswith(" " * len("SASRec ")) for line in lines[first + 1 : first + 4])
