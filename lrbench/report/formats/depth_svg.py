"""The depth curves of one dataset as an inline SVG: no script, no font, no address.

Lines differ by colour and by dashes, so that they are told apart in grey too; colours are the page's own
variables and follow its light or dark scheme.
"""

import math
from collections.abc import Sequence
from html import escape

from lrbench.report.content import DepthPoint

__all__ = ["COLOURS", "depth_svg"]

COLOURS = 7
"""Colours ``--line-0`` … that the page defines."""

DASHES = ("", "7 4", "2 4", "9 4 2 4")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 300, 66, 14, 12, 44


def depth_svg(points: Sequence[DepthPoint], title: str) -> str:
    """Draw mean ± one standard deviation over seeds by depth, one line per label, with a legend below."""
    labels = list(dict.fromkeys(point.label for point in points))
    depths = sorted({point.depth for point in points})
    low, high, step = _ticks(points)

    def x(depth: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (depth - depths[0]) / (depths[-1] - depths[0])

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [f"<title>{escape(title)}</title>"]
    ticks = round((high - low) / step)
    for tick in (low + step * index for index in range(ticks + 1)):
        parts.append(f'<path class="grid" d="M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 5:.1f}" text-anchor="end">{tick:.3f}</text>')
    for depth in depths:
        parts.append(f'<text x="{x(depth):.1f}" y="{HEIGHT - 24}" text-anchor="middle">{depth}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">depth</text>')
    for index, label in enumerate(labels):
        line = sorted((point for point in points if point.label == label), key=lambda point: point.depth)
        parts.append(_line([(x(p.depth), y(p.mean)) for p in line], index))
        parts += [
            f'<path class="spread" style="stroke:var(--line-{index % COLOURS})" '
            f'd="M{x(p.depth):.1f} {y(p.mean - p.sd):.1f}V{y(p.mean + p.sd):.1f}"/>'
            for p in line
            if p.sd > 0
        ]
    picture = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
    return picture + _legend(labels)


def _line(places: Sequence[tuple[float, float]], index: int) -> str:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    style = f'style="stroke:var(--line-{index % COLOURS})" stroke-dasharray="{_dash(index)}"'
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" style="fill:var(--line-{index % COLOURS})"/>'
        for x, y in places
    )
    return f'<path class="line" {style} d="M{path}"/>{dots}'


def _legend(labels: Sequence[str]) -> str:
    items = "".join(
        f'<li><svg viewBox="0 0 34 12" aria-hidden="true"><path class="line" d="M0 6H34" '
        f'style="stroke:var(--line-{index % COLOURS})" stroke-dasharray="{_dash(index)}"/></svg> '
        f"{escape(label)}</li>"
        for index, label in enumerate(labels)
    )
    return f'<ul class="legend">{items}</ul>'


def _dash(index: int) -> str:
    return DASHES[index % len(DASHES)]


def _ticks(points: Sequence[DepthPoint]) -> tuple[float, float, float]:
    """Lower end, upper end and step of an axis with about five round ticks."""
    spreads = [0.0 if math.isnan(point.sd) else point.sd for point in points]
    low = min(point.mean - spread for point, spread in zip(points, spreads, strict=True))
    high = max(point.mean + spread for point, spread in zip(points, spreads, strict=True))
    rough = max(high - low, 1e-6) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step
