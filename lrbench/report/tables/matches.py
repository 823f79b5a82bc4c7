"""How closely matched controls match their models, one table for each quantity and dataset."""

from lrbench.report.numbers import percent
from lrbench.report.report import Report
from lrbench.report.tables.table import Cell, Section, Table
from lrbench.store.suites import Match

__all__ = ["matches_section"]

COLUMNS = ("Control", "wanted", "reached", "off by %")
NOTES = (
    "Wanted: the quantity of the model to which the control belongs. Operations are those that encode a "
    "user. The cost table also counts the scores of all items.",
)


def matches_section(report: Report) -> Section:
    """Tabulate the quantities of the controls that the report shows."""
    shown = {row.label for row in report.rows}
    groups: dict[tuple[str, str], list[tuple[Cell, ...]]] = {}
    for match in report.matches:
        if match.label in shown:
            groups.setdefault((match.quantity, match.dataset), []).append(_row(match))
    tables = tuple(
        Table(f"Matched {quantity} on {dataset}", tuple(rows)) for (quantity, dataset), rows in groups.items()
    )
    return Section("Matches of controls", COLUMNS, tables, NOTES)


def _row(match: Match) -> tuple[Cell, ...]:
    texts = (
        match.label,
        f"{match.target:,.0f}",
        f"{match.reached:,.0f}",
        percent(match.reached / match.target - 1),
    )
    return tuple(map(Cell, texts))
