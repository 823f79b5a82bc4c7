"""One fold per declared comparison: its verdict in words, its interval as a line, and the other tests."""

from collections.abc import Iterator
from html import escape

from lrbench.report.findings import Comparison, Variance
from lrbench.report.numbers import interval, p_text, p_value, percent, plain, share, signed
from lrbench.report.report import Report

__all__ = ["comparison_folds"]

WIDTH, HEIGHT, MARGIN = 400, 24, 10


def comparison_folds(report: Report) -> str:
    """Return the folds of all declared comparisons; the lines of one dataset have the same scale."""
    return "\n".join(_fold(report, comparison) for comparison in report.comparisons)


def _fold(report: Report, comparison: Comparison) -> str:
    alike = [c for c in report.comparisons if c.dataset == comparison.dataset and c.contrast.testable]
    line = _line(comparison, alike) if comparison.contrast.testable else ""
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _facts(report, comparison)
    )
    return (
        f"<details><summary>{escape(_sentence(comparison))}</summary>"
        f'<div class="fold">{line}<dl>{facts}</dl></div></details>'
    )


def _sentence(comparison: Comparison) -> str:
    who = f"{comparison.proposed} against {comparison.baseline} on {comparison.dataset}"
    if not comparison.contrast.testable:
        return f"{who}, not testable: {comparison.contrast.reason}."
    return f"{who}: {comparison.verdict}."


def _facts(report: Report, comparison: Comparison) -> Iterator[tuple[str, str]]:
    contrast, checks, style = comparison.contrast, comparison.checks, report.style
    low_high = style.interval(*contrast.interval())
    yield (
        f"Difference in {style.title(comparison.metric)}",
        f"{style.signed(contrast.difference)} {low_high}".strip(),
    )
    yield "Relative", f"{percent(comparison.relative.value)} %"
    if not contrast.testable:
        return
    yield (
        f"Test: {contrast.test}",
        f"t = {plain(contrast.t, 2)}, {contrast.df:.1f} degrees of freedom, {p_text(contrast.p)}; after "
        f"correction over {comparison.family_size}: {p_value(comparison.p_adjusted)}",
    )
    yield "May be missed", f"true differences below {style.plain(comparison.minimum_detectable)}"
    if comparison.variance is not None:
        yield from _variance(report, comparison.variance)
    if checks is None:
        return
    yield "Users alone (these weights)", f"t test {p_text(checks.p_users)}"
    yield "Users alone, signs flipped", p_text(checks.p_users_randomised)
    yield "Seeds alone (these users)", f"Welch's t test {p_text(checks.p_seeds)}"
    yield "Seeds alone, permuted", p_text(checks.p_seeds_exact)
    yield "Bootstrap, 95 %", style.interval(checks.bootstrap_low, checks.bootstrap_high)


def _variance(report: Report, variance: Variance) -> Iterator[tuple[str, str]]:
    """Yield the sources of the uncertainty, and the range of the difference when one run is left out."""
    shares, without = variance.shares, variance.without_one_run
    users, runs, both = map(share, (shares.users, shares.runs, shares.users_runs))
    yield "Variance", f"users × models {users}, luck of runs {runs}, users × runs {both}"
    if low_high := report.style.interval(without.low, without.high):
        yield "With one run left out", low_high


def _line(comparison: Comparison, alike: list[Comparison]) -> str:
    """Draw the difference and its interval as SVG, with a mark at zero."""
    ends = [end for c in alike for end in c.contrast.interval()]
    low, high = min(0.0, *ends), max(0.0, *ends)

    def place(value: float) -> str:
        return f"{MARGIN + (WIDTH - 2 * MARGIN) * (value - low) / (high - low):.1f}"

    first, last = comparison.contrast.interval()
    title = escape(f"{signed(comparison.contrast.difference)} {interval(first, last)}; the upright line is 0")
    middle = HEIGHT // 2
    return (
        f'<svg class="line" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        f'<path d="M{place(0.0)} 0V{HEIGHT}" style="stroke:var(--faint)"/>'
        f'<path d="M{place(first)} {middle}H{place(last)}" style="stroke:var(--ink);stroke-width:2"/>'
        f'<circle cx="{place(comparison.contrast.difference)}" cy="{middle}" r="5" style="fill:var(--ink)"/>'
        "</svg>"
    )
