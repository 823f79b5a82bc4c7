"""The answers of the report, as paragraphs."""

from lrbench.report.answers import QUESTIONS
from lrbench.report.report import Report
from lrbench.report.tables.table import Paragraph, Section

__all__ = ["answer_section"]


def answer_section(report: Report) -> Section:
    """Make one paragraph for each question; with several proposed labels each title names its label."""
    several = len({answer.proposed for answer in report.answers}) > 1
    paragraphs = []
    for number, answer in enumerate(report.answers):
        question = number % len(QUESTIONS) + 1 if answer.proposed else 1
        title = f"{question} {answer.title}"
        paragraphs.append(Paragraph(f"{answer.proposed}, {title}" if several else title, answer.text))
    return Section("Answer", (), (), (), paragraphs=tuple(paragraphs))
