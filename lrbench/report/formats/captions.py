"""Captions of at most 60 words. Notes below the table have everything else."""

from collections.abc import Iterator

from lrbench.report.declared import LETTERS, OTHER_RANKING
from lrbench.report.numbers import metric_title
from lrbench.report.report import Report
from lrbench.report.tables import Section
from lrbench.wording import counted, listed

__all__ = ["BOLD", "MOST_WORDS", "SIGNS", "caption_and_details", "caption_and_notes"]

MOST_WORDS = 60
LETTERED = "Letters: "
BOLD = "Bold: best; underlined: second."
SIGNS = "Before a number: * best, _ second."


def caption_and_notes(report: Report, section: Section) -> tuple[str, tuple[str, ...]]:
    """Return the caption of a section's tables, and the sentences to print below them."""
    if section.name != "quality":
        return _filled((f"{section.heading}.", *_hidden(report))), section.notes
    sentences = tuple(_quality(report))
    caption = _filled(sentences)
    return caption, tuple(sentence for sentence in sentences if sentence not in caption)


def caption_and_details(report: Report, section: Section, marks: str = BOLD) -> tuple[str, tuple[str, ...]]:
    """Return a caption, and the other sentences of the section for a list below it.

    Args:
        report: the report of the section.
        section: tables with their notes; the notes of the quality are the caption of the whole report.
        marks: a sentence that says how the best and the second are shown.
    """
    if section.name == "quality":
        sentences = tuple(_quality(report, marks))
        caption = _filled(sentences)
        beyond = [sentence for sentence in sentences if sentence not in caption]
        told = [sentence for sentence in beyond if not sentence.startswith(LETTERED)]  # the notes have them
        return caption, (*told, *section.notes)
    first = _filled(section.notes[:1])
    for number in range(2, len(section.notes) + 1):
        longer = " ".join(section.notes[:number])
        if len(longer.split()) > MOST_WORDS:
            break
        first = longer
    return first, tuple(sentence for sentence in section.notes if sentence not in first)


def _filled(sentences: tuple[str, ...]) -> str:
    """Take sentences in their order, leaving out those that would make the caption too long."""
    caption = ""
    for sentence in sentences:
        longer = f"{caption} {sentence}".strip()
        if len(longer.split()) <= MOST_WORDS:
            caption = longer
    return caption


def _quality(report: Report, marks: str = BOLD) -> Iterator[str]:
    metrics = listed([metric_title(metric) for metric in report.metrics])
    masked = "history left out" if report.masked else "history kept"
    yield f"{metrics} under protocol {report.protocol.name} (full ranking, {masked}), {_runs(report)}."
    yield from _hidden(report)
    synthetic = [note.summary.name for note in report.datasets if note.summary.synthetic]
    if synthetic:
        yield f"Synthetic data: {listed(synthetic)}."
    yield marks
    yield from _daggers(report)
    if any(row.ties_with_best and not row.best for row in report.rows):
        yield "≈: not separable from the best."


def _runs(report: Report) -> str:
    counts = sorted({row.n_seeds for row in report.rows if not row.deterministic})
    if not counts:
        return "one run of each deterministic model"
    if counts == [1]:
        return "1 seed"
    number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"mean and standard deviation over {number} seeds"


def _daggers(report: Report) -> Iterator[str]:
    if not report.comparisons:
        return
    if report.interim:
        yield "Interim: trials are missing, so no difference is marked."
        return
    if report.exploratory:
        yield OTHER_RANKING
        return
    sizes = [counted(family.size, "comparison") for family in report.families if family.testable]
    if not sizes:
        yield "No declared comparison is testable."
        return
    if report.primary_metric not in report.metrics:
        yield f"Differences are tested by {metric_title(report.primary_metric)}, which is no column."
        return
    test = f"(crossed test, α = 0.05, Holm over {listed(sizes)})"
    if len(report.proposed) == 1:
        yield f"†/‡: {report.proposed[0]} is better/worse than the row {test}."
        return
    yield f"†/‡: the lettered model is better/worse than the row {test}."
    letters = [f"{letter} {label}" for letter, label in zip(LETTERS, report.proposed, strict=False)]
    yield f"{LETTERED}{listed(letters)}."


def _hidden(report: Report) -> Iterator[str]:
    if len(report.labels) < report.rows_of_suite:
        yield f"{len(report.labels)} of {report.rows_of_suite} rows shown; tests are over all."
