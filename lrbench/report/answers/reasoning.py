"""Is it the reasoning? The proposed label against its own controls."""

from lrbench.report.answers.wording import (
    WITH_SEEN_ITEMS,
    capitalised,
    changed_without_seen_items,
    common_verdict,
    exploratory,
    per_dataset,
    without_seen_items,
)
from lrbench.report.families import REASONING
from lrbench.report.findings import Answer, Comparison, Verdict
from lrbench.report.numbers import p_text
from lrbench.report.report import Report
from lrbench.report.seen_items import WithoutSeenItems
from lrbench.report.step_findings import Reading
from lrbench.wording import listed

__all__ = ["is_it_reasoning"]

USED_ONLY = "Being better than noise says that trained weights use their steps, not that steps help."

LEADS = {
    "unfinished": "open.",
    "stays in full": "yes.",
    "stays in part": "in part.",
    "not shown": "not shown.",
    "reverses": "no.",
}
"""Verdict on all controls → the first word of the answer; for others it is "not testable"."""


def is_it_reasoning(report: Report, label: str) -> Answer:
    """Answer from the verdicts on the controls of every dataset."""
    title = "The reasoning?"
    comparisons = [c for c in report.comparisons if (c.family, c.proposed) == (REASONING, label)]
    if not comparisons:
        text, verdict = _why_none(report, label)
        return Answer("reasoning", title, label, text + _latent(report, label), verdict)
    texts, verdicts = [], []
    for dataset in dict.fromkeys(comparison.dataset for comparison in comparisons):
        here = [comparison for comparison in comparisons if comparison.dataset == dataset]
        tested = {comparison.baseline for comparison in here}
        waiting = [name for name, role in report.controls.items() if role.of == label and name not in tested]
        texts.append((dataset, _sentence(report, here, waiting)))
        verdicts.append(_verdict(report, here, waiting))
    interim = "Interim. " if report.interim else ""
    text = exploratory(report, f"{interim}{per_dataset(report, texts)}{_latent(report, label)}")
    return Answer("reasoning", title, label, text, common_verdict(verdicts))


def _why_none(report: Report, label: str) -> tuple[str, str]:
    """Say why the label was compared with no control, in words and as a verdict."""
    if any(record.of == label for record in report.controls.values()):
        return "Its controls have no finished trials yet.", "unfinished"
    if not any(recipe.depth for recipe in report.provenance.recipes if recipe.label == label):
        return f"{label} takes no reasoning steps.", "no steps"
    return (
        f'Unknown: this suite has no controls. Add controls = "all" to the row {label}.',
        "no controls",
    )


def _sentence(report: Report, comparisons: list[Comparison], waiting: list[str]) -> str:
    """Return ``in part. The gain stays against no reasoning (+0.0063, p = 0.01); the gain is …``."""
    changed = changed_without_seen_items(report, comparisons)
    better = [comparison for comparison in comparisons if comparison.verdict is Verdict.BETTER]
    used = f" {USED_ONLY}" if better and not _beyond_noise(report, better) else ""
    tested = any(comparison.contrast.testable for comparison in comparisons)
    holm = f" Holm over {comparisons[0].family_size}." if tested else ""
    lacking = f" Not run yet: {listed([_kind(report, name) for name in waiting])}." if waiting else ""
    unseen = without_seen_items(changed, _gains(report, [each.comparison for each in changed]))
    lead, gains = _lead(report, comparisons, waiting, changed), capitalised(_gains(report, comparisons))
    return f"{lead} {gains}.{used}{holm}{unseen}{lacking}"


def _lead(
    report: Report, comparisons: list[Comparison], waiting: list[str], changed: list[WithoutSeenItems]
) -> str:
    """Return ``yes.`` or ``with seen items ranked, yes.``, by the verdict on all controls."""
    verdict = _verdict(report, comparisons, waiting)
    others = {each.baseline: each.comparison for each in changed}
    without = [others.get(comparison.baseline, comparison) for comparison in comparisons]
    depends = any(each.depends for each in changed) and _verdict(report, without, waiting) != verdict
    return f"{WITH_SEEN_ITEMS if depends else ''}{LEADS.get(verdict, 'not testable.')}"


def _gains(report: Report, comparisons: list[Comparison]) -> str:
    """Return ``the gain stays against no reasoning (+0.0063, p = 0.01); the gain is not shown against …``."""
    parts = []
    for gain in dict.fromkeys(comparison.verdict.gain for comparison in comparisons):
        named = [
            _kind(report, c.baseline) + (f" ({_result(report, c)})" if c.contrast.testable else "")
            for c in comparisons
            if c.verdict.gain == gain
        ]
        parts.append(f"the gain {gain} against {listed(named)}")
    return "; ".join(parts)


def _latent(report: Report, label: str) -> str:
    """Say how the latent state is used; empty where no intervention was ranked."""
    texts = [
        (found.dataset, _reading(found.reading)) for found in report.interventions if found.label == label
    ]
    return f" {per_dataset(report, texts)}" if texts else ""


def _reading(reading: Reading) -> str:
    if reading is Reading.NOT_TESTABLE:
        return "whether it uses its latent cannot be tested with these runs."
    if reading is Reading.NOTHING_REPLACED:
        return "whether it uses a latent was not tested, as no step takes one over."
    return f"its latent is {reading}."


def _result(report: Report, comparison: Comparison) -> str:
    return f"{report.style.signed(comparison.contrast.difference)}, {p_text(comparison.p_adjusted)}"


def _kind(report: Report, control: str) -> str:
    return report.controls[control].control.replace("-", " ")


def _beyond_noise(report: Report, comparisons: list[Comparison]) -> bool:
    """Whether one of them is with a network trained without steps; noise tells only that steps are used."""
    return any(report.controls[comparison.baseline].control != "noise-only" for comparison in comparisons)


def _verdict(report: Report, comparisons: list[Comparison], waiting: list[str]) -> str:
    """Return the verdict on all controls; ``waiting`` are controls without results."""
    if not any(comparison.contrast.testable for comparison in comparisons):
        return "not testable"
    if any(comparison.verdict is Verdict.WORSE for comparison in comparisons):
        return "reverses"
    better = [comparison for comparison in comparisons if comparison.verdict is Verdict.BETTER]
    if waiting and len(better) == len(comparisons):
        return "unfinished"
    if not _beyond_noise(report, better):
        return "not shown"
    return "stays in full" if len(better) == len(comparisons) else "stays in part"
