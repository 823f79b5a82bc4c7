"""The setup as LaTeX: paragraphs, a table of settings, and the references as a ``.bib`` file."""

from lrbench.report.formats.latex import tables_of
from lrbench.report.formats.methods.references import references_of, unknown_models
from lrbench.report.formats.methods.setup import settings_by_model, setup_paragraphs
from lrbench.report.formats.tex.text import breakable, escape, slug
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables import Cell, Section, Table
from lrbench.wording import listed

__all__ = ["Methods"]

LONGEST_WORD = 80.0
"""A word that is wider than this, in points, may be broken anywhere."""


class Methods:
    """A section of a paper on the experimental setup."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the section; LaTeX writes its references to ``SUITE.bib`` when it compiles the section."""
        layout = layout or Layout()
        label = f"tab:{slug(report.suite)}-settings"
        references = references_of(report)
        parts = [r"% Needs \usepackage{booktabs}."]
        if missing := unknown_models(report):
            parts.append(f"% No reference is known for {listed(missing)}.")
        parts.append(r"\subsection*{Experimental setup}")
        for paragraph in setup_paragraphs(report):
            text = breakable(paragraph.text, LONGEST_WORD).replace(
                r"Table\textasciitilde{}settings", rf"Table~\ref{{{label}}}"
            )
            # Option names and fingerprints cannot be hyphenated. \sloppy keeps them from sticking out.
            parts.append(rf"\paragraph{{{escape(paragraph.title)}}} {{\sloppy {text}\par}}")
        if references:
            keys = ",".join(reference.key for reference in references)
            parts.append(rf"Models and data: \cite{{{keys}}}.")
        parts += tables_of(report, _settings(report), layout)
        if references:
            entries = "\n\n".join(reference.bibtex() for reference in references)
            name = slug(report.suite) or "references"
            parts.append(
                f"\\begin{{filecontents*}}[overwrite]{{{name}.bib}}\n{entries}\n\\end{{filecontents*}}"
            )
        return "\n\n".join(parts) + "\n"


def _settings(report: Report) -> Section:
    tables = tuple(
        Table(model, tuple((Cell(name), Cell(value)) for name, value in options.items()))
        for model, options in settings_by_model(report.provenance.recipes, report.labels).items()
        if options
    )
    heading = "Settings of the models, defaults included"
    return Section(heading, ("Option", "value"), tables, (), aligned="left", name="settings")
