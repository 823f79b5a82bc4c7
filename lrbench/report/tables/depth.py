"""The primary metric at every depth, one table per dataset that has labels with several depths."""

from lrbench.report.numbers import UNKNOWN, interval, metric_title, p_value, plain, signed
from lrbench.report.report import Report, Trend
from lrbench.report.tables.table import Cell, Section, Table

__all__ = ["depth_section"]

NOTES = (
    "v: the depth that validation would choose; *: the depth of the other tables.",
    "Slope: gain per doubling of the depth, with the interval and p of the crossed test; descriptive.",
    "The depths of a row share their weights: only inference goes deeper.",
)


def depth_section(report: Report) -> Section:
    """Tabulate means over runs, labels × depths, with the trend over depth."""
    depths = sorted({point.depth for point in report.depths})
    columns = ("Model", *(f"depth {depth}" for depth in depths), "slope", "95 % interval", "p")
    metric = metric_title(report.primary_metric)
    tables = (
        Table(f"{metric} by depth on {dataset}", tuple(_rows(report, dataset, depths)))
        for dataset in dict.fromkeys(point.dataset for point in report.depths)
    )
    return Section("Depth", columns, tuple(tables), NOTES, aligned="left")


def _rows(report: Report, dataset: str, depths: list[int]) -> list[tuple[Cell, ...]]:
    points = {(point.label, point.depth): point for point in report.depths if point.dataset == dataset}
    trends = {trend.label: trend for trend in report.trends if trend.dataset == dataset}
    rows = []
    for label in dict.fromkeys(label for label, _ in points):
        cells = [Cell(label)]
        for depth in depths:
            point = points.get((label, depth))
            marks = "" if point is None else "*" * point.reported + "v" * point.chosen
            cells.append(Cell(UNKNOWN if point is None else plain(point.mean, report.digits), marks=marks))
        rows.append((*cells, *_slope(trends.get(label))))
    return rows


def _slope(trend: Trend | None) -> tuple[Cell, Cell, Cell]:
    if trend is None:
        return Cell(UNKNOWN), Cell(UNKNOWN), Cell(UNKNOWN)
    contrast = trend.contrast
    low_high = interval(*contrast.interval()) or UNKNOWN
    return Cell(signed(contrast.difference)), Cell(low_high), Cell(p_value(contrast.p))
