"""Labels × metrics: one table per dataset, with daggers where the declared family shows a difference.

A dagger marks the row that the proposed label is compared with. So each comparison has a mark of its own, and
a proposed model that is worse is shown too (‡).
"""

from lrbench.report.declared import LETTERS
from lrbench.report.findings import Verdict
from lrbench.report.numbers import UNKNOWN, percent
from lrbench.report.report import QualityRow, Report
from lrbench.report.tables.table import INDENT, Cell, Emphasis, Section, Table

__all__ = ["quality_section"]


def quality_section(report: Report) -> Section:
    """Make one table per dataset; with a baseline, a column of percentages follows each metric."""
    columns = ["Model"]
    for metric in report.metrics:
        columns.append(report.style.title(metric))
        if report.baseline is not None:
            columns.append(f"Δ % {report.baseline}")
    tables = [
        Table(
            f"{note.summary.name} (synthetic)" if note.summary.synthetic else note.summary.name,
            tuple(_rows(report, note.summary.name)),
        )
        for note in report.datasets
    ]
    return Section("Quality", tuple(columns), tuple(tables), report.caption, aligned="left")


def _rows(report: Report, dataset: str) -> list[tuple[Cell, ...]]:
    by_label: dict[str, list[Cell]] = {}
    for row in report.rows:
        if row.dataset == dataset and (dataset, row.label) not in report.twins:
            indent = INDENT if row.label in report.controls else ""
            cells = by_label.setdefault(row.label, [Cell(indent + report.row_name(dataset, row.label))])
            cells.append(_value(report, row))
            if report.baseline is not None:
                cells.append(Cell(UNKNOWN if row.relative is None else percent(row.relative)))
    return [tuple(cells) for cells in by_label.values()]


def _value(report: Report, row: QualityRow) -> Cell:
    emphasis: Emphasis = "best" if row.best else "second" if row.second else "none"
    daggers = _daggers(report, row) if row.metric == report.primary_metric else ""
    tie = "?" if row.ties_with_best is None else "≈" if row.ties_with_best and not row.best else ""
    spread = report.style.plain(row.sd) if row.n_seeds > 1 else ""
    return Cell(report.style.plain(row.mean), spread, emphasis, daggers + tie)


def _daggers(report: Report, row: QualityRow) -> str:
    """Mark a row by the proposed labels that are significantly better (†) or worse (‡) than it.

    A row that stands for several labels with the same ranks has the marks of all of them, each once.
    Nothing is marked while trials are missing, or where the tests were declared for another ranking.
    """
    marks = ""
    if report.interim or report.exploratory:
        return marks
    labels = {row.label, *report.merged(row.dataset, row.label)}
    here = [each for each in report.comparisons if each.dataset == row.dataset and each.baseline in labels]
    for sign, verdict in (("†", Verdict.BETTER), ("‡", Verdict.WORSE)):
        named = dict.fromkeys(each.proposed for each in here if each.verdict is verdict)
        if named:
            letters = "".join(LETTERS[report.proposed.index(label)] for label in named)
            marks += sign if len(report.proposed) == 1 else sign + letters
    return marks
