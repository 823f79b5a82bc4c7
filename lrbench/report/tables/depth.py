"""The primary metric at every depth, and differences between depths, one table per dataset."""

from collections.abc import Iterator

from lrbench.report.numbers import UNKNOWN, metric_title, p_value
from lrbench.report.report import Report
from lrbench.report.step_findings import DepthFinding
from lrbench.report.tables.table import Cell, Section, Table
from lrbench.stats.contrast import Contrast
from lrbench.wording import listed

__all__ = ["depth_contrast_section", "depth_section"]

NOTES = (
    "v: the depth that validation would choose, the shallowest within one standard error of its best; *: the "
    "depth of the other tables.",
    "The depths of a row share their weights: only inference goes deeper. A depth beyond the trained one is "
    "an extrapolation.",
)
CONTRASTS = (
    "Differences between depths, run by run, by the crossed test; descriptive, each by itself.",
    "Depth 0 is the encoder without any reasoning step.",
)


def depth_section(report: Report) -> Section:
    """Tabulate means over runs, labels × depths; the last column describes the shape in words."""
    depths = sorted({point.depth for point in report.depths})
    columns = ("Model", *(f"depth {depth}" for depth in depths), "shape")
    metric = metric_title(report.primary_metric)
    tables = (
        Table(f"{metric} by depth on {dataset}", tuple(_rows(report, dataset, depths)))
        for dataset in dict.fromkeys(point.dataset for point in report.depths)
    )
    return Section("Depth", columns, tuple(tables), (*NOTES, *_later(report)), aligned="left")


def depth_contrast_section(report: Report) -> Section:
    """Tabulate the reported depth against 0 and 1, and the deepest against the reported one."""
    kinds = ("reported − 0", "reported − 1", "deepest − reported")
    columns = ["Model", "reported", "deepest"]
    for kind in kinds:
        columns += [kind, "95 % interval", "p"]
    metric = metric_title(report.primary_metric)
    tables = tuple(
        Table(
            f"Differences in {metric} between depths on {dataset}",
            tuple(
                _contrast_row(report, finding)
                for finding in report.depth_findings
                if finding.dataset == dataset
            ),
        )
        for dataset in dict.fromkeys(finding.dataset for finding in report.depth_findings)
    )
    return Section("Depth contrasts", tuple(columns), tables, CONTRASTS)


def _later(report: Report) -> Iterator[str]:
    """Say which depths were ranked after the runs."""
    later: dict[tuple[str, str], list[str]] = {}
    for point in report.depths:
        if point.evaluated_later:
            later.setdefault((point.label, point.dataset), []).append(str(point.depth))
    if later:
        which = listed(
            [f"{label} on {dataset} {', '.join(found)}" for (label, dataset), found in later.items()]
        )
        yield f"Depths that lrbench evaluate ranked after the runs: {which}."


def _rows(report: Report, dataset: str, depths: list[int]) -> list[tuple[Cell, ...]]:
    points = {(point.label, point.depth): point for point in report.depths if point.dataset == dataset}
    shapes = {f.label: f.shape for f in report.depth_findings if f.dataset == dataset}
    rows = []
    for label in dict.fromkeys(label for label, _ in points):
        cells = [Cell(label)]
        for depth in depths:
            point = points.get((label, depth))
            marks = "" if point is None else "*" * point.reported + "v" * point.chosen
            cells.append(Cell(UNKNOWN if point is None else report.style.plain(point.mean), marks=marks))
        rows.append((*cells, Cell(shapes[label] or UNKNOWN)))
    return rows


def _contrast_row(report: Report, finding: DepthFinding) -> tuple[Cell, ...]:
    deeper = finding.deeper()
    cells = [
        Cell(finding.label),
        Cell(str(finding.reported)),
        Cell(UNKNOWN if deeper is None else str(deeper.depth)),
    ]
    last = None if deeper is None else deeper.contrast
    for contrast in (finding.against(0), finding.against(1), last):
        cells += _contrast_cells(report, contrast)
    return tuple(cells)


def _contrast_cells(report: Report, contrast: Contrast | None) -> tuple[Cell, Cell, Cell]:
    if contrast is None:
        return Cell(UNKNOWN), Cell(UNKNOWN), Cell(UNKNOWN)
    low_high = report.style.interval(*contrast.interval()) or UNKNOWN
    return Cell(report.style.signed(contrast.difference)), Cell(low_high), Cell(p_value(contrast.p))
