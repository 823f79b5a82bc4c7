"""The best depth of each user in hindsight, beside what noise gains from the same choice."""

from lrbench.report.numbers import UNKNOWN, metric_title
from lrbench.report.report import Report
from lrbench.report.step_findings import OracleFinding
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["oracle_section"]

COLUMNS = ("Model", "depths", "at its depth", "best per user", "of noise only", "headroom", "draws", "split")
NOTES = (
    "Best per user: each target's best depth, chosen on the test targets after the fact. No model can reach "
    "it, and it rewards variance: the best of several noisy ranks is good by chance.",
    "Of noise only: the same number for the control that reasons with noise only. Headroom: best per user "
    "minus of noise only. Below 0, a choice among depths gains less than a choice among noise.",
    "Split: one draw of the noise chooses each target's depth, and the others score it. So chance gains "
    "nothing. Compare it with the column “at its depth”.",
)


def oracle_section(report: Report) -> Section:
    """Tabulate the oracles."""
    metric = metric_title(report.primary_metric)
    tables = tuple(
        Table(
            f"{metric} at the best depth per user on {dataset} (after the fact)",
            tuple(_row(report, finding) for finding in report.oracles if finding.dataset == dataset),
        )
        for dataset in dict.fromkeys(finding.dataset for finding in report.oracles)
    )
    return Section("Best depth per user", COLUMNS, tables, NOTES)


def _row(report: Report, finding: OracleFinding) -> tuple[Cell, ...]:
    style, noise = report.style, finding.noise_oracle
    texts = (
        finding.label,
        f"{finding.depths[0]}–{finding.depths[-1]}",
        style.plain(finding.mean),
        style.plain(finding.oracle),
        UNKNOWN if noise is None else style.plain(noise),
        UNKNOWN if noise is None else style.signed(finding.oracle - noise),
        str(finding.draws),
        UNKNOWN if finding.split_oracle is None else style.plain(finding.split_oracle),
    )
    return tuple(Cell(text) for text in texts)
