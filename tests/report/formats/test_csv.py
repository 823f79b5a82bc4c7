import csv
import io
from dataclasses import replace

import pytest

from lrbench.report.formats.csv import Csv
from lrbench.report.formats.json import Json
from lrbench.report.report import Report


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
