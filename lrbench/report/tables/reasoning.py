"""Is it the reasoning? One table per dataset and proposed label: the label, and its controls below it."""

from lrbench.config.controls import Control
from lrbench.report.families import REASONING
from lrbench.report.findings import Comparison
from lrbench.report.numbers import UNKNOWN, metric_title, p_value
from lrbench.report.report import Report
from lrbench.report.tables.comparison import verdict_text
from lrbench.report.tables.table import INDENT, Cell, Section, Table

__all__ = ["reasoning_section"]

REMOVES: dict[Control, str] = {
    "no-reasoning": "all reasoning steps",
    "parameter-matched": "reasoning, at equal parameters",
    "flops-matched": "reasoning, at equal operations",
    "loss-matched": "reasoning, at equal losses",
    "noise-only": "the content of the steps",
}
"""Control → what it removes from the model."""

WORDS = ("removes", "verdict", "the gain")
NOTES = (
    "Below each label its controls: what each removes, its value, and the label's difference from it.",
    "The gain stays where the label is better than the control after Holm over this family only.",
)


def reasoning_section(report: Report) -> Section:
    """Tabulate the comparisons of proposed labels with their own controls."""
    metric, note = metric_title(report.primary_metric), report.title_note
    columns = ("Model", "removes", metric, "Δ", "95 % interval", "p (Holm)", "verdict", "the gain")
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in report.shown_comparisons(REASONING):
        groups.setdefault((comparison.dataset, comparison.proposed), []).append(comparison)
    tables = tuple(
        Table(
            f"{label} and its controls on {dataset}{note}",
            (_own(report, comparisons[0]), *(_row(report, comparison) for comparison in comparisons)),
        )
        for (dataset, label), comparisons in groups.items()
    )
    return Section(f"Reasoning{note}", columns, tables, NOTES, words=WORDS)


def _own(report: Report, comparison: Comparison) -> tuple[Cell, ...]:
    value = report.style.plain(comparison.proposed_mean)
    return (Cell(comparison.proposed), Cell(""), Cell(value), *[Cell("")] * 5)


def _row(report: Report, comparison: Comparison) -> tuple[Cell, ...]:
    contrast, record = comparison.contrast, report.controls[comparison.baseline]
    texts = (
        f"{INDENT}{record.control.replace('-', ' ')}",
        REMOVES[record.control],
        report.style.plain(comparison.baseline_mean),
        report.style.signed(contrast.difference),
        report.style.interval(*contrast.interval()) or UNKNOWN,
        p_value(comparison.p_adjusted),
        verdict_text(comparison.verdict),
        comparison.verdict.gain,
    )
    return tuple(Cell(text) for text in texts)
