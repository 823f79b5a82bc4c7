"""``\\newcommand`` for each headline number, so that a paper's text and its tables cannot disagree."""

from collections.abc import Iterator

from lrbench.report.formats.tex.text import escape
from lrbench.report.numbers import p_value, percent
from lrbench.report.report import Report

__all__ = ["number_commands"]

DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def number_commands(report: Report) -> list[str]:
    """Return one definition per line: means by the primary metric, then differences, Δ % and p.

    The name of a mean is ``\\lrbench``, then row, dataset and metric. That of a comparison is ``\\lrbench``,
    then row, ``Vs``, other row, dataset, and ``Difference``, ``Percent`` or ``P``. Only letters are kept;
    digits are spelled out. Equal names get an A, B, … at their end.
    """
    taken: dict[str, int] = {}
    lines = []
    for words, value in _numbers(report):
        name = "lrbench" + "".join(map(_camel, words))
        count = taken.get(name, 0)
        taken[name] = count + 1
        suffix = "" if count == 0 else LETTERS[(count - 1) % 26] * (1 + (count - 1) // 26)
        lines.append(rf"\newcommand{{\{name}{suffix}}}{{{escape(value)}}}")
    return lines


def _numbers(report: Report) -> Iterator[tuple[tuple[str, ...], str]]:
    for row in report.rows:
        if row.metric == report.primary_metric:
            yield (row.label, row.dataset, row.metric), report.style.plain(row.mean)
    for comparison in report.comparisons:
        place = (comparison.proposed, "vs", comparison.baseline, comparison.dataset)
        yield (*place, "difference"), report.style.signed(comparison.contrast.difference)
        yield (*place, "percent"), percent(comparison.relative.value)
        yield (*place, "p"), p_value(comparison.p_adjusted)


def _camel(text: str) -> str:
    """Return ``MlOneZeroZeroK`` for ``ml-100k``: only letters, with digits spelled out."""
    name, start = "", True
    for sign in text:
        if sign.isascii() and sign.isdigit():
            name, start = name + DIGITS[int(sign)], True
        elif sign.isascii() and sign.isalpha():
            name, start = name + (sign.upper() if start else sign), False
        else:
            start = True
    return name
