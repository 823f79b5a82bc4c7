"""Declared differences with and without items that users have seen, one table per dataset and label."""

from lrbench.report.numbers import UNKNOWN, interval, metric_title, p_value, percent
from lrbench.report.report import Report
from lrbench.report.seen_items import WithoutSeenItems
from lrbench.report.tables.comparison import verdict_text
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["seen_items_section"]

COLUMNS = (
    "Against",
    "Δ %",
    "verdict",
    "Δ % without",
    "95 % interval, %",
    "p (Holm)",
    "verdict without",
    "seen items add, %",
    "95 % interval, %",
    "p (BH)",
)
NOTES = (
    "Δ %, verdict: as declared, on the ranks among all items. Without: the same test on the ranks without "
    "items that users have seen, after Holm over the same family. It was not declared: exploratory.",
    "Seen items add: by how much they raise the ratio of the two rows. Without them all metrics are higher, "
    "so differences are compared as ratios. Its p is adjusted after Benjamini and Hochberg over all declared "
    "comparisons.",
    "A verdict can change although the ratio is not shown to change. Epochs and settings were chosen by "
    "validation on the ranks of the protocol.",
)
NEVER_SEEN = "Under this protocol no target is an item that its user has seen before."
MAY_BE_SEEN = "A target that its user has seen before stays in the ranks."


def seen_items_section(report: Report) -> Section:
    """Tabulate every declared comparison beside the one without items that users have seen."""
    metric, interim = metric_title(report.primary_metric), " (interim)" if report.interim else ""
    groups: dict[tuple[str, str], list[WithoutSeenItems]] = {}
    for each in report.shown_without_seen_items:
        groups.setdefault((each.dataset, each.proposed), []).append(each)
    tables = tuple(
        Table(
            f"{label} with and without seen items on {dataset}, {metric}{interim}",
            tuple(_row(report, each) for each in found),
        )
        for (dataset, label), found in groups.items()
    )
    repeats = report.protocol.split != "leave-one-out" or report.protocol.filters.repeats == "keep"
    notes = (*NOTES, MAY_BE_SEEN if repeats else NEVER_SEEN)
    words = ("verdict", "verdict without")
    return Section(f"Without seen items{interim}", COLUMNS, tables, notes, words=words)


def _row(report: Report, found: WithoutSeenItems) -> tuple[Cell, ...]:
    declared, without, (added, low, high) = found.declared, found.comparison, found.added
    relative = without.relative
    texts = (
        report.row_name(found.dataset, found.baseline),
        percent(declared.relative.value),
        verdict_text(declared.verdict),
        percent(relative.value),
        interval(100 * relative.low, 100 * relative.high, 1) or UNKNOWN,
        p_value(without.p_adjusted),
        verdict_text(without.verdict),
        percent(added),
        interval(100 * low, 100 * high, 1) or UNKNOWN,
        p_value(found.p_adjusted),
    )
    return tuple(Cell(text) for text in texts)
