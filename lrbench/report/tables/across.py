"""Each declared pair of labels over two or more datasets."""

from lrbench.report.findings import AcrossDatasets, MeanRelative
from lrbench.report.numbers import interval, metric_title, p_value, percent
from lrbench.report.report import Report
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["across_section"]

THESE = ("Against", "datasets", "mean Δ %", "95 % interval, %", "p", "p (Holm)", "p of equal effects")
OTHERS = ("others: mean Δ %", "95 % interval, %", "p", "spread")
NOTES = (
    "Mean of the relative differences on these datasets, each with the same weight. Users and training runs "
    "are random, datasets are not. They are taken to share no users: do not combine two editions of one.",
    "p (Holm): corrected over the pairs of each family; pairs that wait for runs count as p = 1. "
    "Exploratory: families are declared for single datasets.",
    "A small p of equal effects means that the difference is not the same everywhere: read the datasets one "
    "by one.",
)
OTHER_NOTES = (
    "Others: the mean on datasets of which these are a sample (random effects, interval after Hartung and "
    "Knapp). Spread: standard deviation of the true effects between datasets, in per cent.",
)


def across_section(report: Report) -> Section:
    """Tabulate the means on these datasets and, where there are three or more, on others like them."""
    metric = metric_title(report.primary_metric)
    sampled = any(found.others is not None for found in report.across)
    tables = tuple(
        Table(
            f"{proposed} against the others over datasets, {metric}",
            tuple(_row(found, sampled) for found in report.across if found.proposed == proposed),
        )
        for proposed in dict.fromkeys(found.proposed for found in report.across)
    )
    columns = (*THESE, *OTHERS) if sampled else THESE
    return Section("Over datasets", columns, tables, (*NOTES, *(OTHER_NOTES if sampled else ())))


def _row(found: AcrossDatasets, sampled: bool) -> tuple[Cell, ...]:
    these = (
        found.baseline,
        str(found.datasets),
        *_mean(found.these),
        p_value(found.p_adjusted),
        p_value(found.equal_effects_p),
    )
    others: tuple[str, ...] = ("",) * len(OTHERS)
    if found.others is not None:
        others = (*_mean(found.others), f"{100 * found.others.tau:.1f}")
    return tuple(Cell(text) for text in (*these, *(others if sampled else ())))


def _mean(found: MeanRelative) -> tuple[str, str, str]:
    return percent(found.mean), interval(100 * found.low, 100 * found.high, 1), p_value(found.p)
