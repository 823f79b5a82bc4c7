"""What a suite must have for a table to exist, for the reader who asks for a table that is empty."""

from lrbench.report.report import Report
from lrbench.report.tables.table import Paragraph

__all__ = ["NEEDS", "nothing_to_show"]

NEEDS = {
    "overview": "at least two proposed rows; for one row, the table “answer” says it",
    "answer": "a proposed row with results: name one under [comparison] proposed",
    "quality": "a finished trial",
    "published": "a published number for a row and a dataset of the suite; --published adds your own",
    "comparison": "a proposed row and another system: name one under [comparison] proposed",
    "reasoning": "a proposed row with controls: give it controls",
    "seen-items": "a declared, testable comparison, under a protocol that ranks seen items, and no --masked",
    "groups": "a proposed row, another system, and prepared data: lrbench fetch NAME --protocol PROTOCOL",
    "across": "comparisons that are testable on two or more datasets, of which two or more are shown",
    "uncertainty": "a comparison that is testable: at least three seeds",
    "matches": "controls with matched parameters or operations",
    "cost": "a trained row",
    "depth": "a model that was ranked at several depths",
    "depth-contrasts": "a model that was ranked at several depths",
    "oracle": "a model that was ranked at several depths, and its noise-only control or a second draw",
    "interventions": "rows ranked with interventions: [evaluation] interventions, or lrbench evaluate",
    "recovery": "rows on merged accounts beside the same row on single users",
    "tuning": "rows that were tuned: a table [tune]",
    "provenance": "a finished trial",
}
"""Name of a section → what it needs."""


def nothing_to_show(report: Report, name: str) -> Paragraph:
    """Say what an empty section would need."""
    hidden = len(report.labels) < report.rows_of_suite
    aside = " Rows that were not chosen are missing: leave out --only and --hide." if hidden else ""
    return Paragraph("Nothing to show.", f"This table needs {NEEDS[name]}.{aside}")
