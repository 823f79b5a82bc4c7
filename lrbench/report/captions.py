"""The caption: sentences that tell a reader what the numbers mean."""

from collections.abc import Iterator

from lrbench.config.controls import CONTROLS
from lrbench.report.declared import family_sentences, provenance_sentences
from lrbench.report.report import DatasetNote, Report
from lrbench.wording import counted, listed

__all__ = ["caption_sentences"]


def caption_sentences(report: Report) -> tuple[str, ...]:
    """Return the sentences of a report's caption, in reading order."""
    return (
        _protocol(report),
        *(_dataset(report, note) for note in report.datasets),
        _means(report),
        *(["Metrics and their differences are in percent."] if report.style.percent else []),
        *family_sentences(report),
        *_seen_items(report),
        *provenance_sentences(report),
        *report.tuning_notes,
        *_ties(report),
        *_controls(report),
    )


def _protocol(report: Report) -> str:
    sentence = (
        f"Protocol {report.protocol.name}: {report.protocol.summary}. "
        "Each held-out item is ranked among all items."
    )
    if report.masked == report.protocol.mask_seen:
        return sentence
    what = "without the items of the user's history" if report.masked else "with the user's history"
    return f"{sentence} Shown here, unlike the headline of the protocol: ranks {what}."


def _dataset(report: Report, note: DatasetNote) -> str:
    summary = note.summary
    label = "SYNTHETIC data, no evidence about real users; " if summary.synthetic else ""
    sentence = (
        f"{summary.name}: {label}{summary.edition.rstrip('.')}; {counted(note.n_users, 'test user')}, "
        f"{counted(summary.counts.items, 'item')}."
    )
    if summary.best_recall_at_10 is not None:
        sentence += (
            f" The best achievable Recall@10 there is {report.style.plain(summary.best_recall_at_10)}."
        )
    if summary.notes:
        notes = "; ".join(note[:1].lower() + note[1:].rstrip(".") for note in summary.notes)
        sentence += f" Its source: {notes}."
    return sentence


def _seen_items(report: Report) -> Iterator[str]:
    """Say whether declared verdicts hold without items that users have seen."""
    if report.seen_items_note:
        yield (
            f"Without items that users have seen, {report.seen_items_note} (table “seen-items”). Exploratory."
        )


def _means(report: Report) -> str:
    counts = sorted({row.n_seeds for row in report.rows if not row.deterministic})
    if not counts:
        return "All models are deterministic; the best and the second of a column are marked."
    number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    runs = "1 seed" if number == "1" else f"{number} seeds"
    fixed = " (a deterministic model has one run and no sd)" if _any_deterministic(report) else ""
    spread = "" if counts == [1] else " ± standard deviation"
    parts = (
        " The deviation contains the luck of training and how differently each run suits users."
        if spread
        else ""
    )
    return (
        f"Mean{spread} over {runs}{fixed}; the best and the second of a column are marked, by unrounded "
        f"means.{parts}"
    )


def _any_deterministic(report: Report) -> bool:
    return any(row.deterministic for row in report.rows)


def _controls(report: Report) -> Iterator[str]:
    """Say what each kind of control isolates, and how closely matched controls match."""
    shown = {row.label for row in report.rows}
    kinds = dict.fromkeys(record.control for label, record in report.controls.items() if label in shown)
    for kind in kinds:
        yield f"Control “{kind.replace('-', ' ')}”: {CONTROLS[kind]}"
    worst: dict[str, float] = {}
    for match in report.matches:
        if match.label in shown:
            off = abs(match.reached / match.target - 1)
            worst[match.quantity] = max(off, worst.get(match.quantity, 0.0))
    if worst:
        parts = listed([f"{100 * off:.1f} % in {quantity}" for quantity, off in worst.items()])
        yield f"Matched controls differ from their models by at most {parts} (table “matches”)."


def _ties(report: Report) -> Iterator[str]:
    if any(row.ties_with_best and not row.best for row in report.rows):
        yield (
            "≈: not separable from the best of its column (crossed test, corrected for all pairs within "
            "dataset and metric; descriptive)."
        )
    if any(row.ties_with_best is None for row in report.rows):
        yield "?: whether it is separable from the best cannot be tested."
