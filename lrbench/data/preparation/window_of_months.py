"""A window of months, made longer into the past until enough items are left.

LatentR³, D3 and BIGRec prepare Amazon 2018 in this way. They begin with one year. They move its start back by
three months at a time until the k-core has 5,000 items. Here it stops at 1970: earlier times are mostly marks
of a missing time.
"""

from datetime import UTC, datetime

import numpy as np

from lrbench.arrays import Int64s
from lrbench.config.protocol import Filters, Window
from lrbench.data.preparation.interactions import CodedInteractions
from lrbench.data.preparation.k_core import k_core
from lrbench.data.time_units import per_second
from lrbench.errors import FilterError

__all__ = ["window_rows"]


def window_rows(
    rows: CodedInteractions, window: Window, filters: Filters, own_clocks: bool, name: str
) -> tuple[Int64s, str]:
    """Return the rows of the shortest window whose k-core has enough items, and the window in words.

    Args:
        rows: of all times.
        window: its first size, its end, and how it grows.
        filters: with the k of the k-core.
        own_clocks: whether times cannot be compared between users.
        name: the dataset's name, for messages.

    Raises:
        FilterError: the source has no times, or none that are dates; or no window has enough items.
    """
    if rows.times is None or own_clocks:
        raise FilterError(
            f'The source of "{name}" has no dates to take a window of.',
            "Fetch a form of the dataset with time-stamps, or choose a protocol without a window.",
        )
    unit, first = per_second(rows.times), window.first
    end = _moment(window.end, unit)
    before_end = np.flatnonzero(rows.times < end)
    earliest = max(0, int(rows.times[before_end].min(initial=end)))
    while True:
        start = _moment(first, unit)
        chosen = before_end[rows.times[before_end] >= start]
        left = k_core(rows.users[chosen], rows.items[chosen], filters.k_core)
        items = len(np.unique(rows.items[chosen[left]]))
        if items >= window.least_items:
            return chosen, f"from {first} to before {window.end}"
        if start <= earliest:
            raise FilterError(
                f'The {filters.k_core}-core of all months of "{name}" before {window.end} has {items:,} '
                f"items, and {window.least_items:,} are needed.",
                "Take a larger dataset, or choose a protocol without a window.",
            )
        first = _months_before(first, window.step)


def _moment(month: str, unit: int) -> int:
    """The beginning of a month (``2018-11``, UTC) in units since 1970."""
    return int(datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC).timestamp()) * unit


def _months_before(month: str, count: int) -> str:
    year, number = divmod(int(month[:4]) * 12 + int(month[5:]) - 1 - count, 12)
    return f"{year:04}-{number + 1:02}"
