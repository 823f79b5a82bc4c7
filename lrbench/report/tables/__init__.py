"""The tables of a report, still without a markup: every format for people draws the same ones."""

from lrbench.report.report import Report
from lrbench.report.tables.comparison import comparison_section
from lrbench.report.tables.cost import cost_section
from lrbench.report.tables.depth import depth_section
from lrbench.report.tables.published import published_section
from lrbench.report.tables.quality import quality_section
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["Cell", "Section", "Table", "make_sections"]


def make_sections(report: Report) -> list[Section]:
    """Quality first, its notes being the caption of the report; then what stands behind it."""
    makers = (quality_section, published_section, comparison_section, cost_section, depth_section)
    return [section for make in makers if (section := make(report)).tables]
