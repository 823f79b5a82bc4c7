import re
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from synthetic_results import Made, make_suite

from lrbench.report.build import ReportOptions, build_report
from lrbench.report.choices import Choices
from lrbench.report.formats.markdown import Markdown, escape
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables import make_sections
from lrbench.store.layout import Results
from lrbench.store.suites import ControlRecord, SuiteRecord

CELL = re.compile(r"(?<!\\)\|")


def test_tables_have_a_rule_and_equally_many_cells(report: Report) -> None:
    blocks = [block for block in Markdown().render(report).split("\n\n") if block.startswith("|")]
    assert len(blocks) == sum(len(section.tables) for section in make_sections(report))
    for block in blocks:
        lines = block.splitlines()
        assert set(lines[1]) <= set("|:-")
        assert len({len(CELL.split(line)) for line in lines}) == 1


def test_a_bar_in_a_label_makes_no_column(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("a|b", 1.0), Made("*c*")], proposed=["a|b"])
    text = Markdown().render(build_report(suite, Results(tmp_path)))
    assert r"| a\|b " in text
    assert r"| \*c\* " in text


def test_emphasis_and_marks(report: Report) -> None:
    text = Markdown().render(report)
    assert re.search(r"\*\*0\.\d{4}\*\* ± 0\.\d{4}", text)
    assert re.search(r"<ins>0\.\d{4}</ins> ± 0\.\d{4}", text)
    assert "<sup>†</sup>" in text


def test_warnings_are_a_list_of_their_own(report: Report) -> None:
    """Without a line between, Markdown would join them to the notes above."""
    assert report.warnings
    assert "\n\n**Warnings**\n\n- " in Markdown().render(report)


def test_escape() -> None:
    assert escape("&amp; &#60; a & b") == r"\&amp; \&\#60; a & b"
    assert escape("w/o_RPT *x* [y] <z> #1") == r"w/o\_RPT \*x\* \[y\] \<z\> \#1"


def paragraphs_after_tables(text: str) -> list[str]:
    blocks = text.split("\n\n")
    return [after for before, after in pairwise(blocks) if before.startswith("|") and after[0] not in "#|-"]


@pytest.mark.parametrize("length", ["usual", "full"])
def test_captions_have_at_most_60_words_and_the_rest_is_a_list(
    report: Report, length: Literal["usual", "full"]
) -> None:
    text = Markdown().render(report, Layout(length=length))
    captions = paragraphs_after_tables(text)
    assert max(len(caption.split()) for caption in captions) <= 60
    assert f"\n- {escape(report.caption[0])}\n" in text


def test_the_caption_says_that_rows_are_hidden(suite: SuiteRecord, root: Path) -> None:
    options = ReportOptions(choices=Choices(only=("LARES*",)))
    captions = paragraphs_after_tables(Markdown().render(build_report(suite, Results(root), options)))
    assert "2 of 4 rows shown; tests are over all." in captions[0]


def test_words_are_flush_left_and_numbers_right(tmp_path: Path) -> None:
    models = [Made("LARES", 1.5, "lares", depth=1, depths=(0, 1)), Made("B", 0.1), Made("SASRec", 0.5)]
    controls = {"B": ControlRecord(of="LARES", control="no-reasoning")}
    suite = make_suite(tmp_path, models, controls=controls)
    text = Markdown().render(build_report(suite, Results(tmp_path)))
    for heading in ("| Model | removes |", "| Against | verdict |"):
        lines = re.sub(r" +", " ", text).splitlines()
        (place,) = [number for number, line in enumerate(lines) if line.startswith(heading)]
        sides = dict(zip(CELL.split(lines[place]), CELL.split(lines[place + 1]), strict=True))
        for column in (" removes ", " verdict ", " the gain "):
            assert sides.get(column, ":-").startswith(":-")
        assert sides[" p (Holm) "].endswith("-:")
