"""Plots by name. Each is one file with one function that makes a figure from a report."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, get_args

from lrbench.errors import RequestError, not_installed
from lrbench.registry import Registry
from lrbench.report.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PLOTS", "CostKind", "PlotSource", "TooMuchError", "plot"]

FORMATS = ("pdf", "png", "svg")
SETTINGS: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "text.parse_math": False,  # a label with $ is a label
    "pdf.fonttype": 42,  # fonts that journals accept
    "svg.fonttype": "none",
    "svg.hashsalt": "lrbench",  # the same figure gives the same file
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 300,
}

CostKind = Literal["flops", "latency", "training"]


class TooMuchError(RequestError):
    """The report has more rows or comparisons than one figure can show."""


@dataclass(frozen=True)
class PlotSource:
    """The data of a plot, and how to draw it."""

    report: Report
    """All its rows and datasets are drawn."""

    width: float | None = None
    """Inches; `None`: a column for one panel, the text width of a two-column page for several."""

    cost: CostKind = "flops"
    """The horizontal axis of ``pareto``."""

    option: str = ""
    """The option in which the rows of ``grid`` differ."""


PLOTS: "Registry[Callable[[PlotSource], Figure]]" = Registry(
    "plot",
    {
        "depth": "lrbench.report.plots.depth:draw",
        "pareto": "lrbench.report.plots.pareto:draw",
        "forest": "lrbench.report.plots.forest:draw",
        "grid": "lrbench.report.plots.grid:draw",
        "convergence": "lrbench.report.plots.convergence:draw",
        "tuning": "lrbench.report.plots.tuning:draw",
        "groups": "lrbench.report.plots.groups:draw",
        "critical-difference": "lrbench.report.plots.critical_difference:draw",
    },
)


def plot(kind: str, source: PlotSource, picture: str) -> bytes:
    """Draw a plot.

    Args:
        kind: a name of :data:`PLOTS`.
        source: what to draw.
        picture: ``pdf``, ``png`` or ``svg``.

    Returns:
        The file's content.

    Raises:
        RequestError: no such plot, format or cost, nothing to draw in it, or matplotlib is not installed.
    """
    if picture not in FORMATS:
        raise RequestError(f'"{picture}" is no format of a picture.', f"Choose from {', '.join(FORMATS)}.")
    if source.cost not in get_args(CostKind):
        raise RequestError(f'"{source.cost}" is no cost.', f"Choose from {', '.join(get_args(CostKind))}.")
    if find_spec("matplotlib") is None:
        raise not_installed("Plots need", "matplotlib", "plots")
    from matplotlib import rc_context  # noqa: PLC0415 (an extra, which only plots need)

    draw = PLOTS.load(kind)
    content = io.BytesIO()
    with rc_context(SETTINGS):
        draw(source).savefig(content, format=picture, metadata=_undated(picture))
    return content.getvalue()


def _undated(picture: str) -> dict[str, None]:
    """Leave out the date, so that the same figure gives the same file."""
    return {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(picture, {})
