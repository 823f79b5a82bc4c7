"""The caption: everything a reader needs to know what the numbers mean, as sentences."""

from collections.abc import Iterator, Sequence
from string import ascii_letters

from lrbench.config.controls import CONTROLS
from lrbench.report.numbers import metric_title, plain
from lrbench.report.report import Comparison, DatasetNote, Report
from lrbench.stats.power import seed_noise_detectable
from lrbench.wording import listed

__all__ = ["LETTERS", "caption_sentences"]

LETTERS = ascii_letters
"""One for each proposed label where there are several."""


def caption_sentences(report: Report) -> tuple[str, ...]:
    """Return the sentences of a report's caption, in reading order."""
    return (
        _protocol(report),
        *(_dataset(note) for note in report.datasets),
        _means(report),
        *_test(report),
        *_power(report),
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


def _dataset(note: DatasetNote) -> str:
    summary = note.summary
    label = "SYNTHETIC data, no evidence about real users; " if summary.synthetic else ""
    sentence = (
        f"{summary.name}: {label}{summary.edition.rstrip('.')}; {note.n_users:,} test users, "
        f"{summary.counts.items:,} items."
    )
    if summary.best_recall_at_10 is not None:
        sentence += f" The best achievable Recall@10 there is {plain(summary.best_recall_at_10)}."
    if summary.notes:
        notes = "; ".join(note[:1].lower() + note[1:].rstrip(".") for note in summary.notes)
        sentence += f" Its source: {notes}."
    return sentence


def _means(report: Report) -> str:
    counts = sorted({row.n_seeds for row in report.rows if not row.deterministic})
    if not counts:
        return "All models are deterministic; the best is bold, the second underlined."
    number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    runs = "1 seed" if number == "1" else f"{number} seeds"
    fixed = " (a deterministic model has one run and no sd)" if _any_deterministic(report) else ""
    spread = "" if counts == [1] else " ± standard deviation"
    return f"Mean{spread} over {runs}{fixed}; the best is bold, the second underlined, by unrounded means."


def _any_deterministic(report: Report) -> bool:
    return any(row.deterministic for row in report.rows)


def _test(report: Report) -> Iterator[str]:
    """What the daggers mean, or why there are none."""
    if not report.proposed:
        yield "No comparison was declared before the runs, so nothing is called significant."
        return
    if not report.comparisons:
        yield "None of the declared comparisons has finished trials yet."
        return
    size = report.comparisons[0].family_size
    declared = (
        f"{listed(report.proposed)} × every other label × {len(report.datasets)} "
        f"{'dataset' if len(report.datasets) == 1 else 'datasets'} on {metric_title(report.primary_metric)}"
    )
    if size == 0:
        reasons = "; ".join(dict.fromkeys(comparison.contrast.reason for comparison in report.comparisons))
        yield f"Family: {declared}, {len(report.comparisons)} comparisons: not testable ({reasons})."
        return
    yield (
        f"{_daggers(report)} by the crossed test (t on the difference of means, users and training runs both "
        "random, Satterthwaite's degrees of freedom), two-sided, α = 0.05 after Holm over the "
        f"{size} testable of {len(report.comparisons)} comparisons of the family {declared}."
    )


def _daggers(report: Report) -> str:
    where = f"on a row's {metric_title(report.primary_metric)}"
    if len(report.proposed) == 1:
        return f"A dagger {where}: {report.proposed[0]} is better (†) or worse (‡) than this row,"
    letters = listed([f"{letter} {label}" for letter, label in zip(LETTERS, report.proposed, strict=False)])
    return f"A dagger {where}: the lettered label ({letters}) is better (†) or worse (‡) than this row,"


def _power(report: Report) -> Iterator[str]:
    """The smallest differences that could have been found, per dataset."""
    testable = [comparison for comparison in report.comparisons if comparison.contrast.testable]
    if not testable:
        return
    parts = [
        f"{dataset} {_span([c for c in testable if c.dataset == dataset])}"
        for dataset in dict.fromkeys(comparison.dataset for comparison in testable)
    ]
    seeds = min((row.n_seeds for row in report.rows if not row.deterministic), default=1)
    rule = (
        f"; from seed noise alone {seed_noise_detectable(1, seeds):.1f} × the seed SD with {seeds} seeds"
        if seeds > 1
        else ""
    )
    yield (
        f"Smallest difference in {metric_title(report.primary_metric)} found with 80 % power at α = 0.05 "
        f"before Holm: {listed(parts)}{rule}."
    )


def _span(comparisons: Sequence[Comparison]) -> str:
    values = sorted(comparison.minimum_detectable for comparison in comparisons)
    low, high = plain(values[0]), plain(values[-1])
    return low if low == high else f"{low} to {high}"


def _controls(report: Report) -> Iterator[str]:
    """What each kind of control among the rows isolates, and how well matched ones match."""
    shown = {row.label for row in report.rows}
    kinds = dict.fromkeys(record.control for label, record in report.controls.items() if label in shown)
    for kind in kinds:
        yield f"Control “{kind.replace('-', ' ')}”: {CONTROLS[kind]}"
    for match in report.matches:
        if match.label in shown:
            yield (
                f"{match.label} on {match.dataset}: {match.reached:,.0f} {match.quantity}, "
                f"its model {match.target:,.0f}."
            )


def _ties(report: Report) -> Iterator[str]:
    if any(row.ties_with_best and not row.best for row in report.rows):
        yield (
            "≈: not separable from the best of its column (crossed test, Holm within dataset and metric; "
            "descriptive)."
        )
