"""The report as GitHub-flavoured Markdown, with superscripts in the HTML that it allows."""

import re

from tabulate import tabulate

from lrbench.report.formats.captions import caption_and_details
from lrbench.report.layout import ANSWERS, Layout
from lrbench.report.report import Report
from lrbench.report.tables import Cell, Paragraph, Section, Table, make_sections
from lrbench.report.warnings import grouped, summarised

__all__ = ["Markdown", "escape"]

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$]|&(?=[#\w]))")


class Markdown:
    """A section of a Markdown document, with pipe tables."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the report: first the answer, then the quality, the warnings and the other sections."""
        layout = layout or Layout()
        parts = [f"## {escape(report.suite)} ({escape(report.protocol.name)})"]
        told = False
        for section in make_sections(report, layout):
            if not told and section.name not in (*ANSWERS, "quality"):
                parts += _warnings(report, layout)
                told = True
            parts += _section(report, section)
        if not told and not layout.only_answers:
            parts += _warnings(report, layout)
        return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Escape what Markdown would read as markup."""
    return SPECIAL.sub(r"\\\1", text)


def _warnings(report: Report, layout: Layout) -> list[str]:
    if layout.length != "full":
        lines = [f"- {escape(line)}" for line in summarised(report.warnings)]
    else:
        lines = []
        for group in grouped(report.warnings):
            lines.append(f"- {escape(group.summary)}")
            lines += [f"  - {escape(detail)}" for detail in group.details]
    return ["**Warnings**", "\n".join(lines)] if lines else []


def _section(report: Report, section: Section) -> list[str]:
    prose = [_paragraph(paragraph) for paragraph in section.paragraphs]
    heading = [f"### {escape(section.heading)}"] if prose else []
    tables = [_table(section, table) for table in section.tables]
    caption, details = caption_and_details(report, section) if section.notes else ("", ())
    below = [escape(caption)] if caption else []
    if details:
        below += ["**Notes**", "\n".join(f"- {escape(detail)}" for detail in details)]
    return [*heading, *prose, *tables, *below]


def _paragraph(paragraph: Paragraph) -> str:
    if paragraph.code:
        fence = "`" * (1 + max((len(run) for run in re.findall(r"`{2,}", paragraph.text)), default=2))
        return f"**{escape(paragraph.title)}**\n\n{fence}\n{paragraph.text}\n{fence}"
    return f"**{escape(paragraph.title)}** {escape(paragraph.text)}"


def _table(section: Section, table: Table) -> str:
    body = tabulate(
        [[_cell(cell) for cell in row] for row in table.rows],
        headers=[escape(column) for column in section.columns],
        tablefmt="pipe",
        colalign=[section.side(column) for column in section.columns],
        disable_numparse=True,
    )
    return f"### {escape(table.title)}\n\n{body}"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.emphasis == "best":
        text = f"**{text}**"
    elif cell.emphasis == "second":
        text = f"<ins>{text}</ins>"
    spread = f" ± {cell.spread}" if cell.spread else ""
    marks = f"<sup>{escape(cell.marks)}</sup>" if cell.marks else ""
    return f"{text}{spread}{marks}"
