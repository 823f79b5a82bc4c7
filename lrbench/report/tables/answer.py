"""The answers of the report, as paragraphs."""

import shlex

from lrbench.report.answers import QUESTIONS
from lrbench.report.report import Report
from lrbench.report.tables.table import Paragraph, Section

__all__ = ["answer_section", "short_answer_section"]

MOST_IN_WORDS = 3
"""The most proposed labels that are answered in words without ``--full``."""


def answer_section(report: Report) -> Section:
    """Make one paragraph for each question; with several proposed labels each title names its label."""
    several = len({answer.proposed for answer in report.answers}) > 1
    paragraphs = []
    for number, answer in enumerate(report.answers):
        question = number % len(QUESTIONS) + 1 if answer.proposed else 1
        title = f"{question} {answer.title}"
        paragraphs.append(Paragraph(f"{answer.proposed}, {title}" if several else title, answer.text))
    return Section("Answer", (), (), (), paragraphs=tuple(paragraphs))


def short_answer_section(report: Report) -> Section:
    """Make the answers of up to three proposed labels; for more, say where to find them."""
    proposed = list(dict.fromkeys(answer.proposed for answer in report.answers if answer.proposed))
    if len(proposed) <= MOST_IN_WORDS:
        return answer_section(report)
    text = (
        f"The table “At a glance” answers for all {len(proposed)} proposed labels. One of them in words: "
        f"--answer --only {shlex.quote(proposed[0])}. All of them: --full."
    )
    return Section("Answer", (), (), (), paragraphs=(Paragraph("In words", text),))
