"""The report in words: what each proposed label's results say to the questions that readers come with.

Every verdict has its template and so has every lack: no controls, one seed, synthetic data, missing trials.
"Not shown" is said where nothing was shown, never "no effect"; no rows that tie have a winner.
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

__all__ = ["make_answers"]

QUESTIONS = (is_it_better, is_it_reasoning, which_depth, for_whom, at_what_cost, how_sure)


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
            'This suite proposes no label. Name one in [comparison], proposed = ["…"], to get answers.',
            "nothing proposed",
        )
    elif not proposed:
        yield Answer(
            "better", "Better?", None, "No trial of a proposed label has finished yet.", "no results"
        )
