"""The report as GitHub-flavoured Markdown; superscripts and underlines in the HTML that it allows."""

import re

from tabulate import tabulate

from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables import Cell, Section, Table, make_sections

__all__ = ["Markdown", "escape"]

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


class Markdown:
    """Pipe tables."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the report as a section of a document."""
        title = f"## {escape(report.suite)} ({escape(report.protocol.name)})"
        quality, *others = make_sections(report, layout)
        parts = [title, *_section(quality)]
        if report.warnings:
            parts.append("\n".join(f"- **Warning:** {escape(str(warning))}" for warning in report.warnings))
        for section in others:
            parts += _section(section)
        return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Escape what Markdown would read as markup."""
    return SPECIAL.sub(r"\\\1", text)


def _section(section: Section) -> list[str]:
    return [*(_table(section, table) for table in section.tables), escape(" ".join(section.notes))]


def _table(section: Section, table: Table) -> str:
    body = tabulate(
        [[_cell(cell) for cell in row] for row in table.rows],
        headers=[escape(column) for column in section.columns],
        tablefmt="pipe",
        colalign=["left", *[section.aligned] * (len(section.columns) - 1)],
        disable_numparse=True,
    )
    return f"### {escape(table.title)}\n\n{body}"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.emphasis == "best":
        text = f"**{text}**"
    elif cell.emphasis == "second":
        text = f"<u>{text}</u>"
    spread = f" ± {cell.spread}" if cell.spread else ""
    marks = f"<sup>{escape(cell.marks)}</sup>" if cell.marks else ""
    return f"{text}{spread}{marks}"
