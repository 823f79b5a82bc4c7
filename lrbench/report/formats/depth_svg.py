"""The depth curves of one dataset as an inline SVG: no script, no font, no address.

Lines differ by colour and by dashes, so that they are told apart in grey too; colours are the page's own
variables (``--line-0`` to ``--line-6``) and follow its light or dark scheme.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lrbench.report.report import DepthPoint

__all__ = ["depth_svg"]

COLOURS = 7
DASHES = ("", "7 4", "2 4", "9 4 2 4")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 300, 66, 14, 12, 44


def depth_svg(points: Sequence[DepthPoint], labels: Sequence[str], title: str) -> str:
    """Draw mean ± one standard deviation over seeds by depth, with a legend below.

    Args:
        points: of one dataset, at two or more depths.
        labels: all labels of the report; a label keeps its colour in every figure.
        title: what the picture shows, for who cannot see it.
    """
    scale = _scale(points)
    shown = [label for label in labels if any(point.label == label for point in points)]
    parts = [f"<title>{escape(title)}</title>", *_axes(scale, sorted({point.depth for point in points}))]
    for label in shown:
        line = sorted((point for point in points if point.label == label), key=lambda point: point.depth)
        parts += _line(scale, line, labels.index(label))
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"'
    legend = "".join(_legend(label, labels.index(label)) for label in shown)
    return f'<svg {box}>{"".join(parts)}</svg><ul class="legend">{legend}</ul>'


def _axes(scale: "_Scale", depths: Sequence[int]) -> list[str]:
    parts = []
    digits = max(0, math.ceil(round(-math.log10(scale.step), 9)))
    for index in range(round((scale.high - scale.low) / scale.step) + 1):
        tick = scale.low + scale.step * index
        parts.append(f'<path class="grid" d="M{LEFT} {scale.y(tick):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(
            f'<text x="{LEFT - 8}" y="{scale.y(tick) + 5:.1f}" text-anchor="end">{tick:.{digits}f}</text>'
        )
    for depth in depths:
        parts.append(f'<text x="{scale.x(depth):.1f}" y="{HEIGHT - 24}" text-anchor="middle">{depth}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [*parts, f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">depth</text>']


def _line(scale: "_Scale", points: Sequence[DepthPoint], index: int) -> list[str]:
    colour = f"var(--line-{index % COLOURS})"
    places = [(f"{scale.x(point.depth):.1f}", f"{scale.y(point.mean):.1f}") for point in points]
    path = "L".join(" ".join(place) for place in places)
    parts = [f'<path class="line" {_stroke(index)} d="M{path}"/>']
    parts += [f'<circle cx="{x}" cy="{y}" r="4" style="fill:{colour}"/>' for x, y in places]
    for (x, _), point in zip(places, points, strict=True):
        if point.sd > 0:
            low, high = scale.y(point.mean - point.sd), scale.y(point.mean + point.sd)
            parts.append(f'<path class="spread" style="stroke:{colour}" d="M{x} {low:.1f}V{high:.1f}"/>')
    return parts


def _legend(label: str, index: int) -> str:
    line = f'<path class="line" {_stroke(index)} d="M0 6H34"/>'
    return f'<li><svg viewBox="0 0 34 12" aria-hidden="true">{line}</svg> {escape(label)}</li>'


def _stroke(index: int) -> str:
    colour, dashes = f"var(--line-{index % COLOURS})", DASHES[index % len(DASHES)]
    return f'style="stroke:{colour}" stroke-dasharray="{dashes}"'


def _scale(points: Sequence[DepthPoint]) -> "_Scale":
    """Take in every point with its spread, between round numbers about a quarter of the span apart."""
    spreads = [0.0 if math.isnan(point.sd) else point.sd for point in points]
    low = min(point.mean - spread for point, spread in zip(points, spreads, strict=True))
    high = max(point.mean + spread for point, spread in zip(points, spreads, strict=True))
    rough = max(high - low, 1e-6) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    floor = math.floor(low / step)
    ceiling = max(math.ceil(high / step), floor + 1)
    depths = [point.depth for point in points]
    return _Scale(min(depths), max(depths), floor * step, ceiling * step, step)


@dataclass(frozen=True)
class _Scale:
    """From depths and values to places in the picture."""

    shallowest: int
    deepest: int
    low: float
    high: float
    step: float
    """Distance of the lines of the grid."""

    def x(self, depth: float) -> float:
        share = (depth - self.shallowest) / (self.deepest - self.shallowest)
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def y(self, value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - value) / (self.high - self.low)
