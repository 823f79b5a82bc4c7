"""Plots by name: each is one file with one function from stored results to a figure."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrbench.data.dataset import PreparedDataset
from lrbench.errors import RequestError
from lrbench.registry import Registry
from lrbench.store.commands import command_to_run
from lrbench.store.frames import FinishedTrial, finished_trials
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PLOTS", "PlotSource", "plot"]

FORMATS = ("pdf", "png", "svg")
SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "pdf.fonttype": 42,  # fonts that journals accept
    "svg.fonttype": "none",
    "svg.hashsalt": "lrbench",  # the same figure gives the same file
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 200,
}


@dataclass(frozen=True)
class PlotSource:
    """What a plot is drawn from."""

    suite: SuiteRecord
    results: Results
    masked: bool
    """Ranks without the items of the user's history, or over all items."""

    prepared: Callable[[str], PreparedDataset]
    """Loads a prepared dataset by name, for plots that need more than ranks."""

    def trials(self) -> list[FinishedTrial]:
        """The finished trials.

        Raises:
            RequestError: there are none.
        """
        finished, _ = finished_trials(self.suite, self.results)
        if not finished:
            raise RequestError(
                f"No trial of suite {self.suite.name} is finished in {self.results.root}.",
                f"Run it: {command_to_run(self.suite.name, self.results)}",
            )
        return finished


PLOTS: "Registry[Callable[[PlotSource], Figure]]" = Registry(
    "plot",
    {
        "depth": "lrbench.report.plots.depth:draw",
        "pareto": "lrbench.report.plots.pareto:draw",
        "convergence": "lrbench.report.plots.convergence:draw",
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
        RequestError: no such plot or format, nothing to draw in it, or matplotlib is not installed.
    """
    if picture not in FORMATS:
        raise RequestError(f'"{picture}" is no format of a picture.', f"Choose from {', '.join(FORMATS)}.")
    if find_spec("matplotlib") is None:
        raise RequestError("Plots need matplotlib, which is not installed.", "pip install 'lrbench[plots]'")
    from matplotlib import rc_context  # noqa: PLC0415 (an extra, which only plots need)

    draw = PLOTS.load(kind)
    content = io.BytesIO()
    with rc_context(SETTINGS):
        draw(source).savefig(content, format=picture, bbox_inches="tight", metadata=_undated(picture))
    return content.getvalue()


def _undated(picture: str) -> dict[str, None]:
    """Leave out the date, so that the same figure gives the same file."""
    return {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(picture, {})
