"""Pieces of sentences that several answers share."""

from collections.abc import Sequence

from lrbench.report.findings import Comparison
from lrbench.report.report import Report
from lrbench.report.seen_items import WithoutSeenItems
from lrbench.stats.contrast import Contrast
from lrbench.wording import listed

__all__ = [
    "WITH_SEEN_ITEMS",
    "capitalised",
    "changed_without_seen_items",
    "common_verdict",
    "difference",
    "exploratory",
    "found",
    "per_dataset",
    "without_seen_items",
]

WITH_SEEN_ITEMS = "with seen items ranked, "
"""Put before an answer that depends on the items that users have seen."""


def capitalised(text: str) -> str:
    """Return the text with a capital letter at its start."""
    return text[:1].upper() + text[1:]


def difference(report: Report, contrast: Contrast) -> str:
    """``−0.0350 [−0.0437, −0.0263]``."""
    low_high = report.style.interval(*contrast.interval())
    return f"{report.style.signed(contrast.difference)} {low_high}".rstrip()


def per_dataset(report: Report, texts: Sequence[tuple[str, str]]) -> str:
    """Join sentences about datasets; a sentence that is the same for several datasets is written once.

    With one dataset its name is left out.
    """
    if len(report.datasets) == 1:
        return " ".join(capitalised(text) for _, text in texts)
    places: dict[str, list[str]] = {}
    for dataset, text in texts:
        places.setdefault(text, []).append(dataset)
    return " ".join(f"{listed(datasets)}: {text}" for text, datasets in places.items())


def common_verdict(verdicts: Sequence[str]) -> str:
    """Return the verdict if all are the same, else "mixed"."""
    return verdicts[0] if len(set(verdicts)) == 1 else "mixed"


def exploratory(report: Report, text: str) -> str:
    """Return what tests show, with a last word where the suite declared them for another ranking."""
    return f"{text} Exploratory." if text and report.exploratory else text


def found(p: float, level: float = 0.05) -> bool:
    """Whether a p-value is known and within the level."""
    return p <= level


def changed_without_seen_items(report: Report, comparisons: Sequence[Comparison]) -> list[WithoutSeenItems]:
    """Return those with another verdict without items that users have seen."""
    pairs = map(report.find_without_seen_items, comparisons)
    return [each for each in pairs if each is not None and each.changes]


def without_seen_items(changed: Sequence[WithoutSeenItems], text: str) -> str:
    """Say what is shown without items that users have seen; empty if that is the same.

    Args:
        changed: comparisons with another verdict without these items.
        text: what they show.
    """
    if not changed:
        return ""
    hint = "" if any(each.depends for each in changed) else " That the ratio changes is not shown."
    return f" Without seen items, {text}. Exploratory.{hint}"
