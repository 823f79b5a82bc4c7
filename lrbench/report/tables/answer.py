"""The answers of the report, as paragraphs."""

import shlex

from lrbench.report.answers import QUESTIONS
from lrbench.report.answers.together import (
    controls_over_datasets,
    controls_together,
    systems_together,
    use_together,
    without_seen_together,
)
from lrbench.report.answers.wording import exploratory
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
    """Make the answers of up to three proposed labels; for more, count the verdicts."""
    report = report.answered or report
    proposed = list(dict.fromkeys(answer.proposed for answer in report.answers if answer.proposed))
    if len(proposed) <= MOST_IN_WORDS:
        return answer_section(report)
    counts = [paragraph for note in report.datasets for paragraph in _together(report, note.summary.name)]
    interim = "Interim. " if report.interim else ""
    if over := controls_over_datasets(report):
        counts.append(Paragraph("2 The reasoning?, over datasets", interim + over))
    text = (
        f"The table “At a glance” has all {len(proposed)} proposed labels. One of them in words: "
        f"--answer --only {shlex.quote(proposed[0])}. All of them: --full."
    )
    return Section("Answer", (), (), (), paragraphs=(*counts, Paragraph("In words", text)))


def _together(report: Report, dataset: str) -> list[Paragraph]:
    """Count the verdicts about all proposed labels on a dataset."""
    where = f", {dataset}" if len(report.datasets) > 1 else ""
    answers = {
        "1 Better?": exploratory(report, systems_together(report, dataset)),
        "2 The reasoning?": exploratory(report, controls_together(report, dataset)),
        "3 Are the steps used?": use_together(report, dataset),
        "Without seen items": without_seen_together(report, dataset),
    }
    interim = "Interim. " if report.interim else ""
    return [Paragraph(f"{title}{where}", interim + text) for title, text in answers.items() if text]
