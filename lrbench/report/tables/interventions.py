"""What rows lose when their latent state is replaced, one table per dataset."""

from lrbench.config.interventions import INTERVENTIONS
from lrbench.report.numbers import UNKNOWN, metric_title, p_value, plain
from lrbench.report.report import Report
from lrbench.report.step_findings import InterventionFinding, InterventionLoss
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["interventions_section"]

COLUMNS = ("Model", "latent", "loss", "95 % interval", "p", "mean KL", "change of rank", "reading")


def interventions_section(report: Report) -> Section:
    """Make a line for each row and intervention; the first line of a row has the reading."""
    metric = metric_title(report.primary_metric)
    tables = tuple(
        Table(
            f"{metric} lost with another latent on {dataset}",
            tuple(
                row
                for finding in report.interventions
                if finding.dataset == dataset
                for row in _rows(report, finding)
            ),
        )
        for dataset in dict.fromkeys(finding.dataset for finding in report.interventions)
    )
    notes = (
        "Weights and histories are the same. Only the state that a reasoning step gets is replaced.",
        "The crossed test compares run by run. The losses are descriptive. Their p-values are not corrected.",
        f"Equivalent: the 90 % interval of the loss lies within ± {100 * report.margin:g} % of the row's "
        "mean.",
        *(f"{kind}: {meaning}" for kind, meaning in INTERVENTIONS.items()),
        "These interventions do not say what training without the latent would give.",
    )
    return Section("Interventions", COLUMNS, tables, notes, aligned="left")


def _rows(report: Report, finding: InterventionFinding) -> list[tuple[Cell, ...]]:
    return [
        (
            Cell(finding.label if number == 0 else ""),
            *_cells(report, loss),
            Cell(finding.reading if number == 0 else ""),
        )
        for number, loss in enumerate(finding.losses)
    ]


def _cells(report: Report, loss: InterventionLoss) -> tuple[Cell, ...]:
    low_high = report.style.interval(*loss.contrast.interval()) or UNKNOWN
    texts = (
        loss.kind,
        report.style.signed(loss.contrast.difference),
        low_high,
        p_value(loss.contrast.p),
        plain(loss.divergence, 4),
        f"{loss.rank_change:+g}",
    )
    return tuple(Cell(text) for text in texts)
