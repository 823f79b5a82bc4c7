"""Is it the reasoning? One table per dataset and proposed label: the label, and its controls below it."""

from lrbench.config.controls import Control
from lrbench.report.families import REASONING
from lrbench.report.findings import Comparison, Verdict
from lrbench.report.numbers import UNKNOWN, interval, metric_title, p_value, plain, signed
from lrbench.report.report import Report
from lrbench.report.tables.comparison import shown_comparisons, verdict_text
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["reasoning_section"]

REMOVES: dict[Control, str] = {
    "no-reasoning": "all reasoning steps",
    "parameter-matched": "reasoning, at equal parameters",
    "flops-matched": "reasoning, at equal operations",
    "loss-matched": "reasoning, at equal losses",
    "noise-only": "the content of the steps",
}
"""What each control takes out of the recipe."""

GAIN = {
    Verdict.BETTER: "stays",
    Verdict.WORSE: "reverses",
    Verdict.EQUIVALENT: "vanishes",
    Verdict.INCONCLUSIVE: "is not shown",
    Verdict.OUT_OF_REACH: "is not shown",
    Verdict.NOT_TESTABLE: "cannot be tested",
}
"""What becomes of the label's gain where the control stands in its place."""

INDENT = "\u00a0\u00a0"
NOTES = (
    "Below each label its controls: what each removes, its value, and the label's difference from it.",
    "The gain stays where the label is better than the control after Holm over this family alone.",
)


def reasoning_section(report: Report) -> Section:
    """Tabulate the comparisons of proposed labels with their own controls."""
    metric, interim = metric_title(report.primary_metric), " (interim)" if report.interim else ""
    columns = ("Model", "removes", metric, "Δ", "95 % interval", "p (Holm)", "verdict", "the gain")
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in shown_comparisons(report, REASONING):
        groups.setdefault((comparison.dataset, comparison.proposed), []).append(comparison)
    tables = tuple(
        Table(
            f"{label} and its controls on {dataset}{interim}",
            (_own(report, dataset, label), *(_row(report, comparison) for comparison in comparisons)),
        )
        for (dataset, label), comparisons in groups.items()
    )
    return Section(f"Reasoning{interim}", columns, tables, NOTES)


def _own(report: Report, dataset: str, label: str) -> tuple[Cell, ...]:
    return (Cell(label), Cell(""), Cell(_value(report, dataset, label)), *[Cell("")] * 5)


def _row(report: Report, comparison: Comparison) -> tuple[Cell, ...]:
    contrast, record = comparison.contrast, report.controls[comparison.baseline]
    texts = (
        f"{INDENT}{record.control.replace('-', ' ')}",
        REMOVES[record.control],
        _value(report, comparison.dataset, comparison.baseline),
        signed(contrast.difference, report.digits),
        interval(*contrast.interval(), report.digits) or UNKNOWN,
        p_value(comparison.p_adjusted),
        verdict_text(comparison.verdict),
        GAIN[comparison.verdict],
    )
    return tuple(Cell(text) for text in texts)


def _value(report: Report, dataset: str, label: str) -> str:
    means = {(row.dataset, row.label): row.mean for row in report.rows if row.metric == report.primary_metric}
    mean = means.get((dataset, label))
    return UNKNOWN if mean is None else plain(mean, report.digits)
