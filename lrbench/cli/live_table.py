"""The table of running trials, fitted to the terminal, and how it is redrawn in a narrower one."""

from collections.abc import Callable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment
from rich.table import Table

from lrbench.text import one_line

__all__ = ["ResizableLive", "live_table", "shortened_middle"]

_HEADINGS = ("trial", "stage", "epoch", "loss", "valid", "best", "at most")
_FIRST_TO_GO = ("loss", "stage", "at most", "best")
"""Columns that a narrow terminal leaves out, in this order."""

_SHORTEST_TITLE = 24  # columns that a title keeps as long as another column can go
_GAP = 2  # columns between two cells


def live_table(rows: Sequence[Sequence[str]], metric: str, width: int) -> Table:
    """Return the table of running trials. Titles are shortened and columns left out, but no number is cut.

    Args:
        rows: title, stage, epoch, loss, metric, best metric and the longest time left. A trial without an
            epoch yet has only title and stage.
        metric: name of the selection metric.
        width: columns of the terminal.
    """
    headings = [f"valid {metric}" if name == "valid" else name for name in _HEADINGS]
    filled = [[one_line(cell) for cell in row] + [""] * (len(headings) - len(row)) for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(headings, *filled, strict=True)]
    shown = list(range(len(headings)))
    for name in _FIRST_TO_GO:
        if min(widths[0], _SHORTEST_TITLE) + _beside_title(widths, shown) <= width:
            break
        shown.remove(_HEADINGS.index(name))
    room = max(width - _beside_title(widths, shown), 1)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for column in shown:
        table.add_column(headings[column], no_wrap=True, justify="right" if column > 1 else "left")
    for row in filled:
        table.add_row(shortened_middle(row[0], room), *(row[column] for column in shown[1:]))
    return table


def _beside_title(widths: Sequence[int], shown: Sequence[int]) -> int:
    """Return the columns that all cells but the title take, with their gaps."""
    return sum(_GAP + widths[column] for column in shown[1:])


def shortened_middle(text: str, width: int) -> str:
    """Return the text with ``…`` in its middle where it is wider than ``width`` columns.

    The end of a title tells trials apart as well as its beginning: it holds the seed.
    """
    if cell_len(text) <= width:
        return text
    left = width // 2
    tail = text
    while cell_len(tail) > width - 1 - left:
        tail = tail[1:]
    return f"{set_cell_size(text, left).rstrip()}…{tail.lstrip()}"


class _Drawn:
    """Draws what a function returns, and keeps the length of each line."""

    def __init__(self, render: Callable[[], ConsoleRenderable]) -> None:
        self.render = render
        self.lengths: list[int] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self.render(), options, pad=False)
        self.lengths = [Segment.get_line_length(line) for line in lines[: console.height]]
        for line in lines:
            yield from line
            yield Segment.line()


class ResizableLive(Live):
    """A live view that leaves nothing of itself on the screen when the terminal becomes narrower.

    A terminal that becomes narrower breaks a long line into several. The cursor must go up those extra lines
    before the view is drawn again.
    """

    def __init__(self, render: Callable[[], ConsoleRenderable], console: Console) -> None:
        self._drawn = _Drawn(render)
        super().__init__(self._drawn, console=console, refresh_per_second=4)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Erase the extra lines that the terminal made, and then what every live view erases."""
        more = sum((length - 1) // self.console.width for length in self._drawn.lengths if length)
        erase = (ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
        return [Control(*erase * more), *super().process_renderables(renderables)]
