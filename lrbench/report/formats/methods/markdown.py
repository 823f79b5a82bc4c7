"""The setup as Markdown: paragraphs, settings, and the references as BibTeX."""

from lrbench.report.formats.markdown import escape
from lrbench.report.formats.methods.references import references_of
from lrbench.report.formats.methods.setup import settings_by_model, setup_paragraphs
from lrbench.report.layout import Layout
from lrbench.report.report import Report

__all__ = ["MarkdownMethods"]


class MarkdownMethods:
    """A section of a document on the experimental setup."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the section."""
        parts = ["## Experimental setup"]
        for paragraph in setup_paragraphs(report):
            text = paragraph.text.replace("Table~settings lists", "The tables below list")
            parts.append(f"**{escape(paragraph.title)}** {escape(text)}")
        for model, options in settings_by_model(report.provenance.recipes, report.labels).items():
            if options:
                rows = [f"| {escape(name)} | {escape(value)} |" for name, value in options.items()]
                parts.append("\n".join([f"| {escape(model)} | value |", "|:--|:--|", *rows]))
        if references := references_of(report):
            entries = "\n\n".join(reference.bibtex() for reference in references)
            parts.append(f"```bibtex\n{entries}\n```")
        return "\n\n".join(parts) + "\n"
