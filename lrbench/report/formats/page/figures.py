"""Figures inside a page: drawn as by ``lrbench plot``, in the colours of the page's light or dark scheme."""

import re
from collections.abc import Iterator
from html import escape
from importlib.util import find_spec

from lrbench.errors import RequestError
from lrbench.report.grids import grid_options
from lrbench.report.numbers import metric_title
from lrbench.report.palette import COLOURS, DARK_COLOURS
from lrbench.report.plots import PlotSource, TooMuchError, plot
from lrbench.report.report import Report

__all__ = ["colour_style", "figures"]

TITLES = {
    "forest": "Declared comparisons: {metric} with 95 % intervals",
    "depth": "{metric} by depth of inference",
    "grid": "{metric} by {option} in training",
    "pareto": "{metric} against cost",
    "groups": "Differences in {metric} by groups of users, each with its 95 % interval",
    "convergence": "Training: validation metric by epoch",
    "tuning": "Tuning: best validation metric by number of trials",
    "critical-difference": "Mean ranks by {metric} over datasets",
}
UNDECLARED = "Comparisons, in a ranking that was not declared: {metric} with 95 % intervals"
"""Title of the forest in a report whose ranking the suite did not declare."""

GRID_AFTER = list(TITLES).index("grid")
FEWEST_VALUES = 3
"""Two rows that differ in an option are an ablation; three or more values of it are a grid."""

ONE_PANEL, SEVERAL = 5.0, 9.0
"""Widths at which figures are drawn, in inches; a narrow page scales them down."""


NAMES = {
    "#ffffff": "none",
    "#000000": "var(--ink)",
    "#dddddd": "var(--rule)",
    **dict.fromkeys(("#888888", "#777777", "#666666"), "var(--faint)"),
}


def colour_style() -> str:
    """Declare the colours of lines for the light and the dark scheme."""
    light, dark = (
        " ".join(f"--line-{index}: {colour};" for index, colour in enumerate(colours))
        for colours in (COLOURS, DARK_COLOURS)
    )
    return f":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"


def figures(report: Report) -> Iterator[str]:
    """Yield every figure for which the report has data; without matplotlib, a sentence that says so."""
    if find_spec("matplotlib") is None:
        yield "<p>Figures need matplotlib: pip install 'lrbench[plots]'.</p>"
        return
    asked = [(kind, "") for kind in TITLES if kind != "grid"]
    asked[GRID_AFTER:GRID_AFTER] = [("grid", option) for option in grid_options(report, FEWEST_VALUES)]
    for number, (kind, option) in enumerate(asked):
        source = PlotSource(report, width=_width(report, kind), option=option)
        try:
            picture = plot(kind, source, "svg").decode()
        except TooMuchError as error:
            yield f"<p>No figure “lrbench plot {kind}”: {escape(str(error.cause))} {escape(error.remedy)}</p>"
            continue
        except RequestError:  # the report has no data for it
            continue
        form = UNDECLARED if kind == "forest" and report.exploratory else TITLES[kind]
        title = escape(form.format(metric=metric_title(report.primary_metric), option=option))
        yield f"<figure><figcaption>{title}</figcaption>{_inline(picture, f'{kind}{number}', title)}</figure>"


def _width(report: Report, kind: str) -> float:
    several = len(report.datasets) > 1 or kind in ("convergence", "groups")
    return SEVERAL if several else ONE_PANEL


def _inline(picture: str, kind: str, title: str) -> str:
    """Return the SVG element without its file header, with ids unique on the page and the page's colours."""
    text = picture[picture.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'\bid="', f'id="{kind}-', text)
    text = re.sub(r'href="#', f'href="#{kind}-', text)
    text = re.sub(r"url\(#", f"url(#{kind}-", text)
    names = NAMES | {colour.lower(): f"var(--line-{index})" for index, colour in enumerate(COLOURS)}
    names["#000000"] = "var(--ink)"
    text = re.sub(r"#[0-9a-fA-F]{6}\b", lambda found: names.get(found[0].lower(), found[0]), text)
    return text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
