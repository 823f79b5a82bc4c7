"""Each declared pair of labels over three or more datasets."""

from lrbench.report.numbers import interval, metric_title, p_value, percent
from lrbench.report.report import Report
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["across_section"]

COLUMNS = ("Against", "datasets", "mean Δ %", "95 % interval, %", "p", "spread", "p of equal effects")
NOTES = (
    "Mean of the relative differences, with datasets as random (random effects, interval after Hartung and "
    "Knapp); descriptive.",
    "Spread: standard deviation of the true effects between datasets, in per cent. A small p of "
    "equal effects means that the difference is not the same everywhere: read the datasets one by one.",
)


def across_section(report: Report) -> Section:
    """Tabulate the random-effects means."""
    metric = metric_title(report.primary_metric)
    tables = tuple(
        Table(
            f"{proposed} against the others over datasets, {metric}",
            tuple(
                tuple(
                    Cell(text)
                    for text in (
                        found.baseline,
                        str(found.datasets),
                        percent(found.mean),
                        interval(100 * found.low, 100 * found.high, 1),
                        p_value(found.p),
                        f"{100 * found.tau:.1f}",
                        p_value(found.heterogeneity_p),
                    )
                )
                for found in report.across
                if found.proposed == proposed
            ),
        )
        for proposed in dict.fromkeys(found.proposed for found in report.across)
    )
    return Section("Over datasets", COLUMNS, tables, NOTES)
