"""The report as one HTML file: tables and depth curves, nothing loaded from elsewhere.

It reads on a phone (wide tables scroll inside their frame), follows the light or dark scheme, and has the
headings, scopes and captions that screen readers go by.
"""

from html import escape

from lrbench.report.formats.depth_svg import depth_svg
from lrbench.report.layout import Layout
from lrbench.report.numbers import metric_title
from lrbench.report.report import Report
from lrbench.report.tables import Cell, Paragraph, Section, Table, make_sections
from lrbench.report.warnings import summarised

__all__ = ["Html"]

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #5b6570; --rule: #d5dae0;
  --note: #fff4d6; --line-0: #0072b2; --line-1: #c04f00; --line-2: #00795a; --line-3: #a0457a;
  --line-4: #2b2b2b; --line-5: #8a6d00; --line-6: #3c7ea6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --paper: #15181c; --faint: #a3adb8;
  --rule: #3a424b; --note: #3a3014; --line-0: #62b5e8; --line-1: #f0944d; --line-2: #4fcaa6;
  --line-3: #e394c3; --line-4: #d8d8d8; --line-5: #e5cf5a; --line-6: #9ccdea; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin: .5rem 0 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
.scroll { overflow-x: auto; margin: 1rem 0; } .scroll:focus-visible { outline: 2px solid var(--line-0); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .3rem .8rem .3rem 0; white-space: nowrap; border-bottom: 1px solid var(--rule); }
thead th { border-bottom: 2px solid var(--ink); }
tbody th { text-align: left; font-weight: 400; white-space: normal; min-width: 7rem; }
th:first-child { position: sticky; left: 0; background: var(--paper); }
.left td, .left th, thead th:first-child { text-align: left; }
.right td, .right thead th:not(:first-child) { text-align: right; }
.spread-of { color: var(--faint); font-size: .85em; } sup { line-height: 0; }
.notes { color: var(--faint); font-size: .9rem; max-width: 60rem; } .notes p { margin: .3rem 0; }
.warnings { background: var(--note); padding: .6rem 1rem; margin: 1rem 0; border-radius: .3rem; }
.warnings ul { margin: 0; padding-left: 1.1rem; }
figure { margin: 1rem 0; max-width: 44rem; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 14px; }
.grid { stroke: var(--rule); } .line { fill: none; stroke-width: 2.5; } .spread { stroke-width: 1.5; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; padding: 0; margin: .2rem 0; }
.legend svg { width: 2.2rem; vertical-align: middle; }
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


class Html:
    """One page."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the page."""
        title = escape(f"{report.suite} · {report.protocol.name}")
        quality, *others = make_sections(report, layout)
        body = [f"<h1>{title}</h1>", _section(quality), *_warnings(report), *map(_section, others)]
        return PAGE.format(title=title, style=STYLE, body="\n".join([*body, *_figures(report)]))


def _section(section: Section) -> str:
    notes = "".join(f"<p>{escape(note)}</p>" for note in section.notes)
    tables = "\n".join(_table(section, table) for table in section.tables)
    heading = f"<h2>{escape(section.heading)}</h2>"
    prose = "".join(map(_paragraph, section.paragraphs))
    return f'<section>\n{heading}\n{prose}{tables}\n<div class="notes">{notes}</div>\n</section>'


def _paragraph(paragraph: Paragraph) -> str:
    title = f"<strong>{escape(paragraph.title)}</strong>"
    if paragraph.code:
        return f"<p>{title}</p><pre>{escape(paragraph.text)}</pre>"
    return f"<p>{title} {escape(paragraph.text)}</p>"


def _table(section: Section, table: Table) -> str:
    header = "".join(f'<th scope="col">{escape(column)}</th>' for column in section.columns)
    rows = "\n".join(
        f'<tr><th scope="row">{escape(row[0].text)}</th>{"".join(map(_cell, row[1:]))}</tr>'
        for row in table.rows
    )
    title = escape(table.title)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{title}">'
        f'<table class="{section.aligned}"><caption>{title}</caption>\n'
        f"<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.emphasis == "best":
        text = f"<strong>{text}</strong>"
    elif cell.emphasis == "second":
        text = f"<u>{text}</u>"
    spread = f' <span class="spread-of">± {escape(cell.spread)}</span>' if cell.spread else ""
    marks = f"<sup>{escape(cell.marks)}</sup>" if cell.marks else ""
    return f"<td>{text}{spread}{marks}</td>"


def _warnings(report: Report) -> list[str]:
    if not report.warnings:
        return []
    items = "".join(f"<li>{escape(line)}</li>" for line in summarised(report.warnings))
    return [f'<aside class="warnings" aria-label="Warnings"><ul>{items}</ul></aside>']


def _figures(report: Report) -> list[str]:
    """Depth curves, one per dataset that has any."""
    figures = []
    for dataset in dict.fromkeys(point.dataset for point in report.depths):
        points = [point for point in report.depths if point.dataset == dataset]
        title = f"{metric_title(report.primary_metric)} by depth on {dataset}, mean ± sd over seeds"
        picture = depth_svg(points, report.labels, title)
        figures.append(f"<figure><figcaption>{escape(title)}</figcaption>{picture}</figure>")
    return figures
