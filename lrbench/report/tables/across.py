"""Each declared pair of labels over two or more datasets."""

from collections.abc import Mapping

from lrbench.report.findings import AcrossDatasets, MeanRelative
from lrbench.report.numbers import UNKNOWN, interval, metric_title, p_value, percent
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
    "Knapp, no narrower where effects are alike by chance). Spread: standard deviation of the true effects "
    "between datasets, in per cent.",
)


WITHOUT = ("without: mean Δ %", "95 % interval, %", "p (Holm)")
WITHOUT_NOTES = ("Without: the same on the ranks without items that users have seen.",)


def across_section(report: Report) -> Section:
    """Tabulate the means on these datasets, the same without items that users have seen, and on others.

    Others are datasets of which these are a sample. That takes three or more.
    """
    metric = metric_title(report.primary_metric)
    without = {_pair(found): found for found in report.across_without_seen_items}
    sampled = any(found.others is not None for found in report.across)
    tables = tuple(
        Table(
            f"{proposed} against the others over datasets, {metric}{report.title_note}",
            tuple(
                tuple(map(Cell, (*_these(found), *_without(found, without), *_others(found, sampled))))
                for found in report.across
                if found.proposed == proposed
            ),
        )
        for proposed in dict.fromkeys(found.proposed for found in report.across)
    )
    columns = (*THESE, *(WITHOUT if without else ()), *(OTHERS if sampled else ()))
    notes = (*NOTES, *(WITHOUT_NOTES if without else ()), *(OTHER_NOTES if sampled else ()))
    return Section(f"Over datasets{report.title_note}", columns, tables, notes)


def _pair(found: AcrossDatasets) -> tuple[str, str, str]:
    return found.family, found.proposed, found.baseline


def _these(found: AcrossDatasets) -> tuple[str, ...]:
    return (
        found.baseline,
        str(found.datasets),
        *_mean(found.these),
        p_value(found.p_adjusted),
        p_value(found.equal_effects_p),
    )


def _without(
    found: AcrossDatasets, without: Mapping[tuple[str, str, str], AcrossDatasets]
) -> tuple[str, ...]:
    """Return the cells of the mean without seen items; none where the report ranks no such items."""
    if not without:
        return ()
    same = without.get(_pair(found))
    return (UNKNOWN,) * len(WITHOUT) if same is None else (*_mean(same.these)[:2], p_value(same.p_adjusted))


def _others(found: AcrossDatasets, sampled: bool) -> tuple[str, ...]:
    """Return the cells of the mean on other datasets; none where no row has one."""
    if not sampled:
        return ()
    if found.others is None:
        return ("",) * len(OTHERS)
    return (*_mean(found.others), f"{100 * found.others.tau:.1f}")


def _mean(found: MeanRelative) -> tuple[str, str, str]:
    return percent(found.mean), interval(100 * found.low, 100 * found.high, 1), p_value(found.p)
