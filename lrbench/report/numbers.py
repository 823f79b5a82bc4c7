"""How numbers and names are written for people; machine-readable formats keep numbers unrounded."""

import math
from dataclasses import dataclass

from lrbench.errors import RequestError

__all__ = [
    "UNKNOWN",
    "MetricStyle",
    "amount",
    "interval",
    "metric_title",
    "multiple",
    "p_text",
    "p_value",
    "percent",
    "plain",
    "share",
    "signed",
]

UNKNOWN = "–"
"""Written where there is no number."""

MOST_DIGITS = 8
"""More decimals than any metric of a few thousand users has."""

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def plain(value: float, digits: int = 4) -> str:
    """``0.0921``."""
    return UNKNOWN if math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 4) -> str:
    """``+0.0012``."""
    return UNKNOWN if math.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")


def percent(value: float) -> str:
    """``+5.3`` for 0.053."""
    return signed(100 * value, 1)


def interval(low: float, high: float, digits: int = 4) -> str:
    """``[−0.0011, +0.0034]``, or nothing where there is none."""
    return "" if math.isnan(low) else f"[{signed(low, digits)}, {signed(high, digits)}]"


@dataclass(frozen=True)
class MetricStyle:
    """How one report writes metrics and their differences.

    Raises:
        RequestError: the number of decimals is not from 1 to 8.
    """

    digits: int = 4
    """Decimals, 1 to 8."""

    percent: bool = False
    """Whether 0.0921 is written as 9.21."""

    def __post_init__(self) -> None:
        if not 1 <= self.digits <= MOST_DIGITS:
            raise RequestError(f"digits={self.digits} cannot be written.", f"Use 1 to {MOST_DIGITS}.")

    @property
    def unit(self) -> str:
        """The text after a number in a sentence: empty, or a per cent sign."""
        return " %" if self.percent else ""

    def title(self, metric: str) -> str:
        """``NDCG@10``, or ``NDCG@10 (%)``."""
        return f"{metric_title(metric)}{' (%)' if self.percent else ''}"

    def plain(self, value: float) -> str:
        """``0.0921``."""
        return plain(self._scaled(value), self.digits)

    def signed(self, value: float) -> str:
        """``+0.0012``."""
        return signed(self._scaled(value), self.digits)

    def interval(self, low: float, high: float) -> str:
        """``[−0.0011, +0.0034]``, or nothing where there is none."""
        return interval(self._scaled(low), self._scaled(high), self.digits)

    def _scaled(self, value: float) -> float:
        return 100 * value if self.percent else value


def share(value: float) -> str:
    """``63 %`` for 0.63."""
    return UNKNOWN if math.isnan(value) else f"{100 * value:.0f} %".replace("-", "−")


def p_value(value: float) -> str:
    """``0.012``, ``< 0.001``."""
    if math.isnan(value):
        return UNKNOWN
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def p_text(p: float) -> str:
    """``p = 0.148``, ``p < 0.001``."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def amount(value: float, unit: str = "") -> str:
    """``1.23 M``, with three significant digits."""
    if math.isnan(value):
        return UNKNOWN
    for factor, prefix in PREFIXES:
        if abs(value) >= 0.9995 * factor:  # three digits round it up to the factor
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}".rstrip()


def multiple(ratio: float) -> str:
    """``1.6``, ``12``, ``1,234``: a ratio with two significant digits, from 10 on without decimals."""
    if not math.isfinite(ratio):
        return UNKNOWN
    return f"{ratio:.2g}" if ratio < 9.95 else f"{ratio:,.0f}"


def metric_title(metric: str) -> str:
    """``NDCG@10`` for ``ndcg@10``."""
    kind, _, cutoff = metric.partition("@")
    title = "Recall" if kind == "recall" else kind.upper()
    return f"{title}@{cutoff}" if cutoff else title
