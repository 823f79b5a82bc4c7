"""The report as LaTeX: complete table environments with booktabs that compile as they are with pdfLaTeX.

Every text is escaped. Known characters that TeX's fonts lack become commands. Other such characters need
XeLaTeX or LuaLaTeX, and a comment says so. All tables have the same font size and fit the width that was
asked for (``tex/fit.py`` says how).
"""

from collections.abc import Iterator

from lrbench.report.formats.captions import caption_and_notes
from lrbench.report.formats.tex.commands import number_commands
from lrbench.report.formats.tex.fit import Fitted, fit_grid, fit_joined
from lrbench.report.formats.tex.grid import grid_of
from lrbench.report.formats.tex.text import breakable, escape, in_latin_fonts, slug
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables import Section, made_by, make_sections
from lrbench.report.warnings import summarised

__all__ = ["Latex", "tables_of"]

POINTS_PER_INCH = 72.27
FLOAT = r"""\begin{table%(star)s}[tp]
\centering
\setlength{\belowcaptionskip}{6pt}
\caption{%(caption)s}
\label{%(label)s}
\footnotesize\setlength{\tabcolsep}{4pt}
%(tabular)s%(notes)s
\end{table%(star)s}
"""
ELSEWHERE = ("provenance", "answer")
"""Sections that are not tables of a paper; ``--format methods`` has the settings."""

UNLESS_ASKED = ("seen-items",)
"""Sections with many tables, which a paper has only if they were asked for by name or by ``--full``."""

MOST_WAITING = 50
"""About as many floats may wait for a page in TeX. With more and no text between them it stops."""


class Latex:
    """Tables for a paper."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return commands for the headline numbers, then the tables, each as a float of its own.

        The commands come with the table of quality alone, so that a paper may include several files.
        """
        layout = layout or Layout()
        comments = [
            r"Needs \usepackage{booktabs}.",
            f"Fits a width of {layout.width_inches:g} in. Choose another with --width.",
            made_by(report.provenance),
            *(f"Warning: {line}" for line in summarised(report.warnings)),
            *report.caption,
        ]
        sections = make_sections(report, layout)
        answers = [
            rf"\paragraph{{{escape(paragraph.title)}}} {escape(paragraph.text)}"
            for section in sections
            if section.name == "answer" and layout.tables
            for paragraph in section.paragraphs
        ]
        asked = bool(layout.tables) or layout.length == "full"
        elsewhere = ELSEWHERE if asked else (*ELSEWHERE, *UNLESS_ASKED)
        floats = [
            text
            for section in sections
            if section.tables and section.name not in elsewhere
            for text in tables_of(report, section, layout)
        ]
        comments += [
            f"Table “{section.name}”: {paragraph.title} {paragraph.text}"
            for section in sections
            if not section.tables and section.name not in ELSEWHERE
            for paragraph in section.paragraphs
        ]
        commands = number_commands(report) if any(section.name == "quality" for section in sections) else []
        body = "\n".join([*commands, "", *answers, *floats])
        if len(floats) > MOST_WAITING:
            comments.append(
                rf"Has {len(floats)} tables. Without text between them TeX stops: choose some with --tables, "
                r"or write \clearpage between them."
            )
        if any(not in_latin_fonts(sign) for sign in body):
            comments.append("Contains characters that pdfLaTeX lacks: compile with XeLaTeX or LuaLaTeX.")
        return (
            "".join(f"% {' '.join(comment.split())}\n" for comment in comments) + "\n" + body.rstrip() + "\n"
        )


def tables_of(report: Report, section: Section, layout: Layout) -> Iterator[str]:
    """Yield the tables of a section, each as a float that fits."""
    width = layout.width_inches * POINTS_PER_INCH
    if section.name == "quality":
        fitted = fit_joined(section, width, layout.spread)
    else:
        fitted = fit_grid(grid_of(section, section.tables), width)
    caption, notes = caption_and_notes(report, section)
    label = f"tab:{slug(report.suite)}-{slug(section.name)}"
    for number, part in enumerate(fitted):
        last = number == len(fitted) - 1
        yield FLOAT % {
            "star": "" if layout.column else "*",
            "caption": escape(caption if number == 0 else _continued(section, part)),
            "label": label if number == 0 else f"{label}-{number + 1}",
            "tabular": part.grid.tabular(),
            "notes": _notes(notes, width) if last and notes else "",
        }


def _continued(section: Section, part: Fitted) -> str:
    return f"{section.heading}, {part.what or 'continued'}."


def _notes(notes: tuple[str, ...], width: float) -> str:
    """Return the sentences below the table, as wide as the table's column or page."""
    text = breakable(" ".join(notes), width / 2)
    return f"\n\n\\smallskip\n\\parbox{{\\linewidth}}{{\\raggedright {text}}}"
