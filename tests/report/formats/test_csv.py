import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import Made, make_suite

from lrbench.report.build import build_report
from lrbench.report.formats.csv import Csv
from lrbench.report.formats.json import Json
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.store.layout import Results


@pytest.mark.parametrize("label", ["=cmd|' /C calc'!A0", "@SUM(A1)", "+1", "-1"])
def test_a_spreadsheet_runs_no_label(label: str, report: Report) -> None:
    """Numbers below zero keep their sign and get no apostrophe; JSON keeps the label as it is."""
    old = report.rows[0].label
    named = replace(
        report,
        rows=tuple(replace(row, label=label) if row.label == old else row for row in report.rows),
        costs=tuple(replace(cost, label=label) if cost.label == old else cost for cost in report.costs),
    )
    rows = list(csv.DictReader(io.StringIO(Csv().render(named))))
    assert {row["label"] for row in rows} >= {f"'{label}"}
    cells = [cell for row in rows for name, cell in row.items() if name != "label"]
    assert not any(cell.startswith("'") for cell in cells if cell)
    assert label in Json().render(named)


@pytest.mark.parametrize("table", [(), ("quality",), ("comparison",), ("seen-items",)])
def test_every_line_says_whether_its_verdicts_are_final(table: tuple[str, ...], report: Report) -> None:
    def told(content: Report) -> set[tuple[str, str]]:
        text = Csv().render(content, Layout(tables=table))
        return {(line["interim"], line["exploratory"]) for line in csv.DictReader(io.StringIO(text))}

    assert told(report) == {("false", "false")}
    assert told(replace(report, interim=True)) == {("true", "false")}
    if table != ("seen-items",):
        assert told(replace(report, masked=True)) == {("false", "true")}


def test_comparisons_that_wait_for_runs_are_counted_beside_a_verdict(tmp_path: Path) -> None:
    """B has three of five runs, so its comparison waits, and counts for that of C."""
    suite = make_suite(
        tmp_path, (Made("A", 1.5), Made("B", 0.6), Made("C", 0.5)), seeds=range(1, 6), proposed=("A",)
    )
    for cell in suite.trials:
        if cell.label == "B" and cell.seed > 3:
            shutil.rmtree(Results(tmp_path).trial(cell.trial))
    text = Csv().render(build_report(suite, Results(tmp_path)))
    lines = [line for line in csv.DictReader(io.StringIO(text)) if line["metric"] == "ndcg@10"]
    assert {line["interim"] for line in lines} == {"true"}
    assert {line["label"]: line["awaited:A"] for line in lines} == {"A": "", "B": "1", "C": "1"}
