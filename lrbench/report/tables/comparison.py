"""The declared comparisons: one table per dataset and proposed label, with effect sizes beside p-values."""

from lrbench.report.numbers import UNKNOWN, interval, metric_title, p_value, percent, plain, signed
from lrbench.report.report import Comparison, Report
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["comparison_section"]

COLUMNS = (
    "Against",
    "verdict",
    "p (Holm)",
    "Δ",
    "95 % interval",
    "Δ %",
    "95 % interval, %",
    "d",
    "users +/=/−",
    "detectable",
)
NOTES = (
    "Δ: difference of means, with the interval of the crossed test.",
    "d: standardised paired difference over users.",
    "Users won, tied and lost, on means over runs.",
    "Detectable: the smallest difference found with 80 % power.",
    "Equivalent: the 90 % interval lies within 1 % of the other row, or within one of its seed SDs.",
)


def comparison_section(report: Report) -> Section:
    """Tabulate the confirmatory family."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in report.comparisons:
        groups.setdefault((comparison.dataset, comparison.proposed), []).append(comparison)
    metric = metric_title(report.primary_metric)
    tables = (
        Table(
            f"{proposed} against the others on {dataset}, {metric}",
            tuple(_row(comparison, report.digits) for comparison in comparisons),
        )
        for (dataset, proposed), comparisons in groups.items()
    )
    return Section("Declared comparisons", COLUMNS, tuple(tables), NOTES)


def _row(comparison: Comparison, digits: int) -> tuple[Cell, ...]:
    contrast, relative, users = comparison.contrast, comparison.relative, comparison.users
    texts = (
        comparison.baseline,
        str(comparison.verdict),
        p_value(comparison.p_adjusted),
        signed(contrast.difference, digits),
        interval(*contrast.interval(), digits) or UNKNOWN,
        percent(relative.value),
        interval(100 * relative.low, 100 * relative.high, 1) or UNKNOWN,
        signed(comparison.effect_size, 2),
        f"{users.wins}/{users.ties}/{users.losses}",
        plain(comparison.minimum_detectable, digits),
    )
    return tuple(Cell(text) for text in texts)
