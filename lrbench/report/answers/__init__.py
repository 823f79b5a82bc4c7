"""The report in words: answers to the questions of readers, from the results of each proposed label.

Every verdict has a sentence. So has everything that may be lacking, such as controls, seeds or trials. Where
no difference was shown, the answer is "not shown" and never "no effect". Rows that tie have no winner.
"""

from collections.abc import Iterator

from lrbench.report.answers.better import is_it_better
from lrbench.report.answers.certainty import how_sure
from lrbench.report.answers.cost import at_what_cost
from lrbench.report.answers.depth import which_depth
from lrbench.report.answers.reasoning import is_it_reasoning
from lrbench.report.answers.users import for_whom
from lrbench.report.findings import Answer
from lrbench.report.report import Report

__all__ = ["QUESTIONS", "make_answers"]

QUESTIONS = (is_it_better, is_it_reasoning, which_depth, for_whom, at_what_cost, how_sure)
"""Functions that answer one question about a proposed label, in the order of the answers."""


def make_answers(report: Report) -> Iterator[Answer]:
    """Answer the questions for every proposed label that has results."""
    shown = {row.label for row in report.rows}
    proposed = [label for label in report.proposed if label in shown]
    for label in proposed:
        for question in QUESTIONS:
            yield question(report, label)
    if not report.proposed:
        yield Answer(
            "better",
            "Better?",
            None,
            'This suite proposes no label. To get answers, write proposed = ["…"] in [comparison].',
            "nothing proposed",
        )
    elif not proposed:
        yield Answer(
            "better", "Better?", None, "No trial of a proposed label has finished yet.", "no results"
        )
