"""The family of systems: one table per dataset and proposed label, with effect sizes beside p-values."""

from collections.abc import Sequence

from lrbench.report.families import SYSTEMS
from lrbench.report.findings import ALPHA, Comparison, Verdict
from lrbench.report.numbers import UNKNOWN, interval, metric_title, p_value, percent, signed
from lrbench.report.report import Report
from lrbench.report.tables.table import Cell, Paragraph, Section, Table
from lrbench.wording import listed

__all__ = ["comparison_section", "verdict_text"]

COLUMNS = (
    "Against",
    "verdict",
    "p (Holm)",
    "Δ",
    "95 % interval",
    "Δ %",
    "95 % interval, %",
    "d",
    "users +/=/−",
    "detectable",
    "equal within",
)
NOTES = (
    "Δ: difference of means, with the interval of the crossed test. Each interval is a 95 % interval by "
    "itself, while p is adjusted for the family: an interval without 0 can stand beside “inconclusive”.",
    "d: standardised paired difference over users. Users +/=/−: users won, tied and lost, on means over "
    "runs. Both depend on the number of seeds: compare them only between reports with the same number.",
    "Detectable: about the smallest true difference that is found with 80 % power at the level "
    "of the family, estimated from these runs.",
)


def comparison_section(report: Report) -> Section:
    """Tabulate the comparisons with other systems."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in report.shown_comparisons(SYSTEMS):
        groups.setdefault((comparison.dataset, comparison.proposed), []).append(comparison)
    metric, interim = metric_title(report.primary_metric), " (interim)" if report.interim else ""
    heading = (
        "Comparisons, in a ranking that was not declared" if report.exploratory else "Declared comparisons"
    )
    tables = tuple(
        Table(
            f"{proposed} against the others on {dataset}, {metric}{report.title_note}",
            tuple(_row(report, comparison) for comparison in comparisons),
        )
        for (dataset, proposed), comparisons in groups.items()
        if _any_testable(comparisons)
    )
    untested = tuple(
        Paragraph("Not testable:", _untested(comparisons))
        for comparisons in groups.values()
        if not _any_testable(comparisons)
    )
    notes = (*NOTES, _margin(report), *_descriptive(report)) if tables else ()
    return Section(f"{heading}{interim}", COLUMNS, tables, notes, words=("verdict",), paragraphs=untested)


def _any_testable(comparisons: Sequence[Comparison]) -> bool:
    return any(comparison.contrast.testable for comparison in comparisons)


def _untested(comparisons: Sequence[Comparison]) -> str:
    """Say why nothing was tested, in one sentence instead of a table of dashes."""
    first = comparisons[0]
    others = listed([comparison.baseline for comparison in comparisons])
    reasons = "; ".join(dict.fromkeys(comparison.contrast.reason for comparison in comparisons))
    return f"{first.proposed} against {others} on {first.dataset}: {reasons}."


def verdict_text(verdict: Verdict) -> str:
    """Shorten the one verdict that is too long for a column."""
    return "cannot show equivalence" if verdict is Verdict.OUT_OF_REACH else str(verdict)


def _row(report: Report, comparison: Comparison) -> tuple[Cell, ...]:
    contrast, relative, users = comparison.contrast, comparison.relative, comparison.users
    texts = (
        report.row_name(comparison.dataset, comparison.baseline),
        verdict_text(comparison.verdict),
        p_value(comparison.p_adjusted),
        report.style.signed(contrast.difference),
        report.style.interval(*contrast.interval()) or UNKNOWN,
        percent(relative.value),
        interval(100 * relative.low, 100 * relative.high, 1) or UNKNOWN,
        signed(comparison.effect_size, 2),
        f"{users.wins}/{users.ties}/{users.losses}",
        report.style.plain(comparison.minimum_detectable),
        _equal_within(comparison, report.margin),
    )
    return tuple(Cell(text) for text in texts)


def _equal_within(comparison: Comparison, share: float) -> str:
    """Return the smallest margin that these runs show, in per cent of the other row's mean."""
    margin = comparison.equivalence.margin
    decided = comparison.verdict in (Verdict.BETTER, Verdict.WORSE)
    if decided or not comparison.contrast.testable or margin == 0:
        return UNKNOWN
    return f"{100 * share * comparison.equivalence.shown / margin:.1f} %"


def _margin(report: Report) -> str:
    return (
        f"Equivalent: the 90 % interval lies within ± {100 * report.margin:g} % of the other row's mean. "
        "Cannot show equivalence: these runs are too few for that margin, whatever the difference. Equal "
        "within: the smallest margin that they do show."
    )


def _descriptive(report: Report) -> tuple[str, ...]:
    """Say in one sentence how many of the descriptive comparisons are significant."""
    testable = [comparison for comparison in report.descriptive if comparison.contrast.testable]
    if not testable:
        return ()
    found = sum(comparison.p_adjusted <= ALPHA for comparison in testable)
    return (
        f"Of {len(testable)} descriptive comparisons, on other metrics or with another "
        f"baseline, {found} have p ≤ 0.05 after Benjamini and Hochberg.",
    )
