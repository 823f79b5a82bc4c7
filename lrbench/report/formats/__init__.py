"""Formats of a report, by name. Each is one file with one class that writes a report as text."""

from typing import Protocol

from lrbench.registry import Registry
from lrbench.report.layout import Layout, Length
from lrbench.report.report import Report
from lrbench.store.suites import SuiteRecord

__all__ = ["FORMATS", "Format", "usual_metrics"]


class Format(Protocol):
    """A class that writes a report in one format."""

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
        "methods": "lrbench.report.formats.methods.latex:Methods",
        "methods-markdown": "lrbench.report.formats.methods.markdown:MarkdownMethods",
    },
)


def usual_metrics(name: str, suite: SuiteRecord, length: Length = "usual") -> tuple[str, ...]:
    """Return the metrics that a format shows by default; empty: those of the protocol.

    A table of a paper has room for two, and so has a brief report: the primary metric, and a metric of
    another kind, Recall@10 if the protocol has it. Machine-readable formats have all.
    """
    brief = length == "brief" and name not in ("csv", "json")
    if not brief and name not in ("latex", "methods", "methods-markdown"):
        return ()
    usual = ("recall@10", *suite.protocol.metrics)
    second = next(
        (
            metric
            for metric in usual
            if metric in suite.protocol.metrics and metric.split("@")[0] != suite.primary_metric.split("@")[0]
        ),
        suite.primary_metric,
    )
    return tuple(dict.fromkeys((suite.primary_metric, second)))
