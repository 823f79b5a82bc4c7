import re
from pathlib import Path

from synthetic_results import Made, make_suite

from lrbench.report.build import build_report
from lrbench.report.formats.markdown import Markdown, escape
from lrbench.report.report import Report
from lrbench.report.tables import make_sections
from lrbench.store.layout import Results

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


def test_escape() -> None:
    assert escape("w/o_RPT *x* [y] <z> #1") == r"w/o\_RPT \*x\* \[y\] \<z\> \#1"
