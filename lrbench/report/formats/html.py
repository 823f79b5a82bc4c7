"""The report as one HTML file with tables, figures and folds. It loads nothing from elsewhere.

It can be read on a phone: wide tables scroll inside their frame. It follows the light or dark scheme, and
prints completely on landscape pages. It has the headings, scopes and captions that screen readers use. A
short script sorts tables; the page can be read without it.
"""

from html import escape
from importlib.resources import files

from lrbench.report.formats.captions import caption_and_details
from lrbench.report.formats.page.figures import colour_style, figures
from lrbench.report.formats.page.folds import comparison_folds
from lrbench.report.layout import ANSWERS, Layout
from lrbench.report.report import Report
from lrbench.report.tables import Cell, Paragraph, Section, Table, made_by, make_sections
from lrbench.report.warnings import grouped

__all__ = ["Html"]

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
<script>
{script}</script>
</body>
</html>
"""
MEANINGS = {
    "†": "the proposed model is significantly better than this row",
    "‡": "the proposed model is significantly worse than this row",
    "≈": "not separable from the best of its column",
    "v": "the depth that validation would choose",
    "*": "the depth of the other tables",
    "r": "a stage was trained in another trial and reused",
    "Δ": "difference of means, proposed minus this row",
    "Δ % without": "the same on the ranks without items that users have seen",
    "verdict without": "the verdict on the ranks without items that users have seen",
    "without: mean Δ %": "the same on the ranks without items that users have seen",
    "seen items add, %": "by how much seen items raise the ratio of the two rows",
    "Δ %": "difference in percent of this row's mean",
    "d": "standardised paired difference over users",
    "p (Holm)": "p-value after Holm's correction within its family",
    "detectable": "the smallest true difference that would usually be found",
    "users +/=/−": "users for whom the proposed model is better, as good, worse",
    "FLOPs/user": "floating-point operations of matrix products to encode and score one user",
}
"""Mark or short heading → its meaning, shown when a reader points at it."""

LONG = 40
"""A cell with more characters is broken into lines."""


class Html:
    """One page."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the page: first the answer, the quality and the warnings, last the provenance."""
        layout = layout or Layout()
        title = escape(f"{report.suite} · {report.protocol.name}")
        sections = make_sections(report, layout)
        parts = {section.name: _section(report, section) for section in sections}
        headings = {section.name: section.heading for section in sections}
        if not layout.tables:
            headings["figures"] = "Figures"
            parts["figures"] = _figures(report)
        first = [name for name in (*ANSWERS, "quality") if name in parts]
        others = [name for name in parts if name not in (*first, "provenance")]
        order = [*first, *others, *(["provenance"] if "provenance" in parts else [])]
        body = [
            f"<h1>{title}</h1>",
            _contents({name: headings[name] for name in order}),
            *(parts[name] for name in first),
            *_warnings(report, layout),
            *(parts[name] for name in order[len(first) :]),
            f"<footer><p>{escape(made_by(report.provenance))}</p></footer>",
        ]
        folder = files("lrbench.report.formats.page")
        style = colour_style() + folder.joinpath("page.css").read_text(encoding="utf-8")
        script = folder.joinpath("page.js").read_text(encoding="utf-8")
        return PAGE.format(title=title, style=style, script=script, body="\n".join(body))


def _contents(headings: dict[str, str]) -> str:
    items = "".join(f'<li><a href="#{name}">{escape(text)}</a></li>' for name, text in headings.items())
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _section(report: Report, section: Section) -> str:
    notes = _notes(report, section) if section.notes else ""
    prose = "".join(map(_paragraph, section.paragraphs))
    folds = comparison_folds(report) if section.name == "comparison" else ""
    parts = [
        f'<section id="{section.name}">',
        f"<h2>{escape(section.heading)}</h2>",
        f'<div class="prose">{prose}</div>' if prose else "",
        *(_table(section, table) for table in section.tables),
        f'<div class="notes">{notes}</div>' if notes else "",
        folds,
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _notes(report: Report, section: Section) -> str:
    caption, details = caption_and_details(report, section)
    items = "".join(f"<li>{escape(detail)}</li>" for detail in details)
    first = f"<p>{escape(caption)}</p>" if caption else ""
    return f"{first}<p>Notes</p><ul>{items}</ul>" if items else first


def _figures(report: Report) -> str:
    return "\n".join(['<section id="figures">', "<h2>Figures</h2>", *figures(report), "</section>"])


def _paragraph(paragraph: Paragraph) -> str:
    title = f"<strong>{escape(paragraph.title)}</strong>"
    if paragraph.code:
        return f"<p>{title}</p><pre>{escape(paragraph.text)}</pre>"
    return f"<p>{title} {escape(paragraph.text)}</p>"


def _table(section: Section, table: Table) -> str:
    sides = [section.side(column) for column in section.columns]
    header = "".join(
        f'<th scope="col" class="{side}">{_explained(column)}</th>'
        for column, side in zip(section.columns, sides, strict=True)
    )
    rows = "\n".join(
        f'<tr><th scope="row">{escape(row[0].text)}</th>{"".join(map(_cell, row[1:], sides[1:]))}</tr>'
        for row in table.rows
    )
    title = escape(table.title)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{title}">'
        f"<table><caption>{title}</caption>\n"
        f"<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _explained(text: str) -> str:
    """Return a text with its meaning as a tooltip, if it has an entry in ``MEANINGS``."""
    if text not in MEANINGS:
        return escape(text)
    return f'<abbr title="{escape(MEANINGS[text])}">{escape(text)}</abbr>'


def _cell(cell: Cell, side: str) -> str:
    text = escape(cell.text)
    if cell.emphasis == "best":
        text = f"<strong>{text}</strong>"
    elif cell.emphasis == "second":
        text = f"<u>{text}</u>"
    spread = f' <span class="spread-of">± {escape(cell.spread)}</span>' if cell.spread else ""
    marks = f"<sup>{''.join(map(_explained, cell.marks))}</sup>" if cell.marks else ""
    kind = "words" if len(cell.text) > LONG else side
    return f'<td class="{kind}" data-value="{escape(_sort_key(cell.text))}">{text}{spread}{marks}</td>'


def _sort_key(text: str) -> str:
    """Return the number at the start of a cell, as JavaScript reads it; without a number, the text."""
    plain = text.replace("−", "-").replace("< ", "").replace(",", "")
    number, _, unit = plain.partition(" ")
    try:
        value = float(number)
    except ValueError:
        return text
    return repr(value * FACTORS.get(unit, 1.0))


FACTORS = {
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
    "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0,
}  # fmt: skip
"""Units of cells, so that ``900 k`` sorts below ``1.2 M``."""


def _warnings(report: Report, layout: Layout) -> list[str]:
    groups = grouped(report.warnings)
    if not groups or layout.only_answers:
        return []
    items = []
    for group in groups:
        details = "".join(f"<li>{escape(detail)}</li>" for detail in group.details)
        fold = f"<details><summary>{len(group.details)} cases</summary><ul>{details}</ul></details>"
        items.append(f"<li>{escape(group.summary)}{fold if details else ''}</li>")
    return [f'<aside class="warnings" aria-label="Warnings"><ul>{"".join(items)}</ul></aside>']
