"""Formats of a report, by name: each is one file with one class that renders a report to text."""

from typing import Protocol

from lrbench.registry import Registry
from lrbench.report.layout import Layout
from lrbench.report.report import Report

__all__ = ["FORMATS", "Format"]


class Format(Protocol):
    """Renders a report."""

    def render(self, report: Report, layout: Layout | None = None) -> str:
        """Return the report as text, ending in a newline."""
        ...


FORMATS: Registry[type[Format]] = Registry(
    "format",
    {
        "terminal": "lrbench.report.formats.terminal:Terminal",
        "markdown": "lrbench.report.formats.markdown:Markdown",
        "latex": "lrbench.report.formats.latex:Latex",
        "csv": "lrbench.report.formats.csv:Csv",
        "json": "lrbench.report.formats.json:Json",
        "html": "lrbench.report.formats.html:Html",
    },
    group="lrbench.formats",
)
