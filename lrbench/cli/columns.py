"""Rows of text in columns, as wide as the terminal; a pipe is as wide as ``COLUMNS`` says, else 80."""

import shutil
import textwrap
from collections.abc import Collection, Sequence

__all__ = ["print_columns"]

_GAP = 2
_LEAST = 30
"""Columns below which the last text stands on lines of its own."""


def print_columns(
    rows: Sequence[Sequence[str]], right: Collection[int] = (), indent: int = 0, wrapped: bool = True
) -> None:
    """Print rows with equally many texts each; the last text of a row is broken between words.

    Args:
        rows: texts of one line each.
        right: columns that are flush right.
        indent: blanks before each row.
        wrapped: whether to break long rows; otherwise each is one line.
    """
    last = len(rows[0]) - 1
    widths = [max(len(row[column]) for row in rows) for column in range(last)]
    room = shutil.get_terminal_size().columns
    for row in rows:
        cells = [
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row[:last], widths, strict=True))
        ]
        head = " " * indent + "".join(cell + " " * _GAP for cell in cells if cell)
        if not wrapped or len(head) + len(row[last]) <= room:
            print(f"{head}{row[last]}".rstrip())
            continue
        start = len(head)
        longest = max(map(len, row[last].split()), default=0)
        if room - start < max(_LEAST, longest):
            print(head.rstrip())
            head, start = " " * (indent + 2 * _GAP), indent + 2 * _GAP
        print(
            textwrap.fill(
                row[last],
                room,
                initial_indent=head,
                subsequent_indent=" " * start,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
