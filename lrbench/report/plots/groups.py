"""For whom is a proposed model better? Differences from its reference by groups of users.

Groups are quartiles of history length and of the target's popularity, and categories of the person's own
table. The axis gives the values or the category of each group, and its number of users.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist

from lrbench.commands import command
from lrbench.errors import RequestError
from lrbench.report.findings import GroupFinding
from lrbench.report.numbers import metric_title
from lrbench.report.plots.style import check_lines, label_below, label_left, legend_below, line_style, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrbench.report.plots import PlotSource

__all__ = ["draw"]

LACKING = {
    "absent": "the prepared data is not on this machine",
    "different": "the prepared data is not the data on which the trials were ranked",
}


def draw(source: "PlotSource") -> "Figure":
    """Draw a panel per dataset and trait: the difference in each group, with its 95 % interval.

    They are exploratory: the intervals are not corrected for the number of groups.

    Raises:
        RequestError: there are no groups; the message says why.
    """
    report = source.report
    if not report.groups:
        lacking = list(report.groups_lacking) or ["NAME"]
        reasons = "; ".join(f"{name}: {LACKING[why]}" for name, why in report.groups_lacking.items())
        raise RequestError(
            f"Suite {report.suite} has no groups of users{f' ({reasons})' if reasons else ''}.",
            "Groups need a proposed row, a row to compare it with, and prepared data. Give its folder with "
            f"--data-dir, or prepare it: {command('fetch', *lacking, '--protocol', report.protocol.name)}",
        )
    places = list(dict.fromkeys((finding.dataset, finding.trait) for finding in report.groups))
    pairs = list(dict.fromkeys((finding.proposed, finding.baseline) for finding in report.groups))
    check_lines(len(pairs))
    entries: dict[str, Artist] = {}
    figure, axes = panels([dataset for dataset, _ in places], source.width, across=2)
    for panel, place in zip(axes, places, strict=True):
        here = [finding for finding in report.groups if (finding.dataset, finding.trait) == place]
        entries |= _panel(panel, here, pairs)
        label_below(panel, f"{place[1]} (users)")
    label_left(axes, f"difference in {metric_title(report.primary_metric)}")
    legend_below(figure, entries)
    return figure


def _panel(
    panel: "Axes", findings: Sequence[GroupFinding], pairs: Sequence[tuple[str, str]]
) -> dict[str, Artist]:
    """Draw one point per pair and group, the pairs side by side; return what the legend shows."""
    entries: dict[str, Artist] = {}
    panel.axhline(0, color="#888888", linewidth=0.8, zorder=0)
    for number, finding in enumerate(findings):
        differences = np.array([group.contrast.difference for group in finding.groups])
        highs = np.array([group.contrast.interval()[1] for group in finding.groups])
        places = np.arange(len(differences)) + 0.6 * ((number + 0.5) / len(findings) - 0.5)
        style = line_style(pairs.index((finding.proposed, finding.baseline))) | {"linestyle": "none"}
        entries[f"{finding.proposed} − {finding.baseline}"] = panel.errorbar(
            places, differences, np.nan_to_num(highs - differences), capsize=2, **style
        )[0]
    names = [f"{group.group}\n({group.n_users:,})" for group in findings[0].groups]
    panel.set_xticks(range(len(names)), names)
    return entries
