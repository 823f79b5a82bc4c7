"""Where the uncertainty of each declared comparison comes from, and what would make it smaller."""

from lrbench.report.findings import WORTH_FINDING, Comparison, Variance
from lrbench.report.numbers import UNKNOWN, p_value, share
from lrbench.report.report import Report
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["uncertainty_section"]

FIND = f"{100 * WORTH_FINDING:g} %"
COLUMNS = (
    "Against",
    "runs",
    "SD of Δ",
    "users × models",
    "luck of runs",
    "users × runs",
    f"seeds to find {FIND}",
    "Δ with one run left out",
    "p at most",
)
NOTES = (
    "SD of Δ is that of the difference of means; the three columns after it are the parts of its variance. "
    "More seeds shrink only the last two. Parts are estimates, which few runs make imprecise. Users × models "
    "far below 0 between independent runs means that these runs depend on each other.",
    f"Seeds to find {FIND}: seeds of every model with which a true difference of {FIND} would "
    "be found in 80 % of cases at the level of the family, estimated from these runs; “more users”: no "
    "number of seeds would do.",
    "Δ with one run left out: the range of Δ when each run is left out in turn. p at most: the largest p of "
    "these, before Holm; it needs three runs that remain.",
)


def uncertainty_section(report: Report) -> Section:
    """Tabulate the sources of variance of every comparison that is testable."""
    groups: dict[tuple[str, str], list[tuple[Cell, ...]]] = {}
    for comparison in report.comparisons:
        if comparison.variance is not None:
            rows = groups.setdefault((comparison.dataset, comparison.proposed), [])
            rows.append(_row(report, comparison, comparison.variance))
    tables = tuple(
        Table(f"Uncertainty of {proposed} on {dataset}", tuple(dict.fromkeys(rows)))
        for (dataset, proposed), rows in groups.items()
    )
    return Section("Uncertainty", COLUMNS, tables, NOTES)


def _row(report: Report, comparison: Comparison, variance: Variance) -> tuple[Cell, ...]:
    shares, without = variance.shares, variance.without_one_run
    texts = (
        report.row_name(comparison.dataset, comparison.baseline),
        "paired" if comparison.contrast.paired else "independent",
        report.style.plain(variance.standard_deviation),
        *(share(part) for part in (shares.users, shares.runs, shares.users_runs)),
        "more users" if variance.seeds_to_find is None else str(variance.seeds_to_find),
        report.style.interval(without.low, without.high) or UNKNOWN,
        p_value(without.largest_p),
    )
    return tuple(Cell(text) for text in texts)
