"""The sections of a report before any markup; every format for people shows the same ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from lrbench.errors import RequestError, did_you_mean
from lrbench.report.layout import Layout
from lrbench.report.report import Report
from lrbench.report.tables.across import across_section
from lrbench.report.tables.answer import answer_section, short_answer_section
from lrbench.report.tables.comparison import comparison_section
from lrbench.report.tables.cost import cost_section
from lrbench.report.tables.depth import depth_contrast_section, depth_section
from lrbench.report.tables.groups import groups_section
from lrbench.report.tables.interventions import interventions_section
from lrbench.report.tables.matches import matches_section
from lrbench.report.tables.needs import nothing_to_show
from lrbench.report.tables.oracle import oracle_section
from lrbench.report.tables.overview import overview_section
from lrbench.report.tables.provenance import common_training, made_by, provenance_section, written_options
from lrbench.report.tables.published import published_section
from lrbench.report.tables.quality import quality_section
from lrbench.report.tables.reasoning import reasoning_section
from lrbench.report.tables.recovery import recovery_section
from lrbench.report.tables.seen_items import seen_items_section
from lrbench.report.tables.table import Cell, Paragraph, Section, Table
from lrbench.report.tables.tuning import tuning_section
from lrbench.report.tables.uncertainty import uncertainty_section

__all__ = [
    "SECTIONS",
    "Cell",
    "Paragraph",
    "Section",
    "Table",
    "check_sections",
    "common_training",
    "made_by",
    "make_sections",
    "written_options",
]

SECTIONS: dict[str, Callable[[Report], Section]] = {
    "overview": overview_section,
    "answer": answer_section,
    "quality": quality_section,
    "published": published_section,
    "comparison": comparison_section,
    "reasoning": reasoning_section,
    "seen-items": seen_items_section,
    "groups": groups_section,
    "across": across_section,
    "uncertainty": uncertainty_section,
    "matches": matches_section,
    "cost": cost_section,
    "depth": depth_section,
    "depth-contrasts": depth_contrast_section,
    "oracle": oracle_section,
    "interventions": interventions_section,
    "recovery": recovery_section,
    "tuning": tuning_section,
    "provenance": provenance_section,
}
"""Name of a section, as ``--tables`` takes it → function that makes it, in the order of a document."""

BRIEF = ("overview", "answer", "quality")
FULL_ONLY = ("uncertainty", "matches", "oracle")
"""Sections that are shown only by ``--full`` or by their name."""


def make_sections(report: Report, layout: Layout | None = None) -> list[Section]:
    """Make the sections that the layout asks for.

    A section without tables and paragraphs is left out. If it was asked for by name, it says what it needs.
    The notes of the section ``quality`` are the caption of the report.
    """
    layout = layout or Layout()
    makers = SECTIONS if layout.length == "full" else {**SECTIONS, "answer": short_answer_section}
    made = []
    for name in _chosen(layout):
        section = replace(makers[name](report), name=name)
        if section.tables or section.paragraphs:
            made.append(section)
        elif name in layout.tables and not (name == "overview" and "answer" in layout.tables):
            made.append(replace(section, paragraphs=(nothing_to_show(report, name),), notes=()))
    return made


def check_sections(names: Sequence[str]) -> None:
    """Refuse a name that no section has.

    Raises:
        RequestError: there is no such section.
    """
    for name in names:
        if name not in SECTIONS:
            raise RequestError(f'There is no table "{name}".', did_you_mean(name, SECTIONS))


def _chosen(layout: Layout) -> list[str]:
    if layout.tables:
        return list(layout.tables)
    if layout.length == "brief":
        return [name for name in SECTIONS if name in BRIEF]
    return [name for name in SECTIONS if layout.length == "full" or name not in FULL_ONLY]
