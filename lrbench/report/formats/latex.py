"""The report as LaTeX: complete table environments with booktabs that compile as they are with pdfLaTeX.

Every text is escaped. Signs that TeX's fonts lack become commands; a label in a script that has none here
needs XeLaTeX or LuaLaTeX, and a comment says so.
"""

import re
import unicodedata

from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables import Cell, Section, made_by, make_sections
from lrbench.report.warnings import summarised

__all__ = ["Latex", "escape"]

COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': "''",
    "[": "{[}",  # at the start of a row it would be read as an option of the row before
    "]": "{]}",
    "*": "{*}",
    "–": "--",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≈": r"$\approx$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "→": r"$\rightarrow$",
    "²": r"$^{2}$",
    "³": r"$^{3}$",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
    "\n": " ",
}
GREEK_LETTERS = "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"
GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi "
    "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
GREEK = {letter: f"$\\{name}$" for letter, name in zip(GREEK_LETTERS, GREEK_NAMES.split(), strict=True)}
TRANSLATION = str.maketrans(COMMANDS | GREEK)
FLOAT = r"""\begin{table*}
\centering
\setlength{\belowcaptionskip}{6pt}
\caption{%(caption)s}
\label{%(label)s}
\footnotesize
\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%%
\begin{tabular}{%(alignment)s}
\toprule
%(header)s \\
\midrule
%(body)s
\bottomrule
\end{tabular}}
\end{table*}
"""


class Latex:
    """Tables for a paper."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return a float with the quality on all datasets, then one for each further kind of table."""
        comments = ["Needs \\usepackage{booktabs} and \\usepackage{graphicx}."]
        comments.append(made_by(report.provenance))
        comments += [f"Warning: {line}" for line in summarised(report.warnings)]
        floats = [
            _float(section, f"tab:{_slug(report.suite)}-{_slug(section.heading)}")
            for section in make_sections(report, layout)
            if section.tables
        ]
        text = "\n".join(floats)
        if any(not _in_latin_fonts(sign) for sign in text):
            comments.append("Holds signs that pdfLaTeX lacks: compile with XeLaTeX or LuaLaTeX.")
        return "".join(f"% {' '.join(comment.split())}\n" for comment in comments) + "\n" + text


def escape(text: str) -> str:
    """Escape what TeX would read as a command, and write signs that its fonts lack as commands."""
    return text.translate(TRANSLATION)


def _float(section: Section, label: str) -> str:
    """One float for the tables of a section, under each other."""
    width = len(section.columns)
    parts = []
    for table in section.tables:
        heading = rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape(table.title)}}}}} \\"
        parts.append("\n".join([heading, *(" & ".join(map(_cell, row)) + r" \\" for row in table.rows)]))
    return FLOAT % {
        "caption": escape(" ".join((f"{section.heading}.", *section.notes))),
        "label": label,
        "alignment": "l" + section.aligned[0] * (width - 1),
        "header": " & ".join(map(escape, section.columns)),
        "body": "\n\\midrule\n".join(parts),
    }


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.emphasis != "none":
        command = "textbf" if cell.emphasis == "best" else "underline"
        text = rf"\{command}{{{text}}}"
    if cell.spread:
        text += rf" {{\scriptsize$\pm$\,{escape(cell.spread)}}}"
    return text + (rf"\textsuperscript{{{escape(cell.marks)}}}" if cell.marks else "")


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()


def _in_latin_fonts(sign: str) -> bool:
    """Whether the sign is ASCII, or an ASCII letter with an accent."""
    return unicodedata.normalize("NFD", sign)[0].isascii()
