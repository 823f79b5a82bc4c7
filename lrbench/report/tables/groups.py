"""For whom? The difference from the reference within groups of users, one table per dataset and label."""

from lrbench.report.findings import GroupDifference, GroupFinding
from lrbench.report.numbers import UNKNOWN, metric_title, p_value
from lrbench.report.report import Report
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["groups_section"]

COLUMNS = ("Users by", "group", "users", "Δ", "95 % interval", "p (BH)")
NOTES = (
    "Exploratory: the groups were not declared. Intervals are those of the crossed test, each "
    "by itself; p is adjusted after Benjamini and Hochberg over the groups of a dataset.",
    "The last row of a trait tests whether the difference is the same in all groups. Each group is tested "
    "against all other users; p is the smallest of these p-values times their number.",
)


def groups_section(report: Report) -> Section:
    """Tabulate groups of users."""
    metric = metric_title(report.primary_metric)
    tables = []
    for key in dict.fromkeys((f.dataset, f.proposed, f.baseline) for f in report.groups):
        dataset, proposed, baseline = key
        rows = [
            row
            for finding in report.groups
            if (finding.dataset, finding.proposed, finding.baseline) == key
            for row in _rows(report, finding)
        ]
        tables.append(Table(f"{proposed} − {baseline} on {dataset}, {metric}", tuple(rows)))
    return Section("Groups of users", COLUMNS, tuple(tables), NOTES, words=("group",))


def _rows(report: Report, finding: GroupFinding) -> list[tuple[Cell, ...]]:
    rows = [_row(report, finding.trait, group) for group in finding.groups]
    texts = (finding.trait, "same in all?", "", "", "", p_value(finding.interaction_p))
    return [*rows, tuple(Cell(text) for text in texts)]


def _row(report: Report, trait: str, group: GroupDifference) -> tuple[Cell, ...]:
    texts = (
        trait,
        group.group,
        f"{group.n_users:,}",
        report.style.signed(group.contrast.difference),
        report.style.interval(*group.contrast.interval()) or UNKNOWN,
        p_value(group.p_adjusted),
    )
    return tuple(Cell(text) for text in texts)
