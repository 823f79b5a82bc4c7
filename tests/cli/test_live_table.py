import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from lrbench.cli.live_table import ResizableLive, live_table, shortened_middle

TITLE = "amazon-2014-beauty LARES with a very long label that says everything, seed 3"
NUMBERS = {
    "epoch": "100/300",
    "loss": "16.512",
    "valid": "0.0412",
    "best": "0.0500",
    "at most": "12 h 40 min",
}
ROWS = [[TITLE, "supervised", *NUMBERS.values()], ["SASRec, seed 1", "starting"]]


def drawn(width: int) -> list[str]:
    screen = io.StringIO()
    Console(file=screen, width=width).print(live_table(ROWS, "ndcg@10", width))
    return screen.getvalue().splitlines()


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(60, {"loss", "at most"}), (80, {"loss"}), (120, set())],
)
def test_a_narrow_terminal_shortens_titles_and_leaves_columns_out_but_cuts_no_number(
    width: int, left_out: set[str]
) -> None:
    heading, row, starting = drawn(width)
    assert all(len(line) <= width for line in (heading, row, starting))
    assert {name for name in NUMBERS if name not in heading} == left_out
    assert {name for name, number in NUMBERS.items() if number not in row} == left_out
    assert row.startswith("amazon-2014")
    assert "seed 3" in row
    assert starting.startswith("SASRec, seed 1")


@given(st.text(alphabet="aé漢 …-1", max_size=60), st.integers(min_value=1, max_value=60))
def test_a_shortened_title_fits_and_one_that_fits_is_whole(text: str, width: int) -> None:
    shown = shortened_middle(text, width)
    assert cell_len(shown) <= width
    assert (shown == text) == (cell_len(text) <= width) or "…" in text


def test_a_title_keeps_both_ends() -> None:
    assert shortened_middle("LARES: parameter matched, seed 3", 20) == "LARES: par…d, seed 3"


def test_lines_that_a_narrower_terminal_broke_are_erased() -> None:
    """Lines of 100 and 45 columns on a terminal of 120 become 2 and 1 lines on one of 50."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    lengths = [100, 45]
    live = ResizableLive(lambda: Text("\n".join("x" * length for length in lengths)), console)
    with live:
        live.refresh()
        before = screen.getvalue().count("\x1b[1A")
        live.refresh()
        usual = screen.getvalue().count("\x1b[1A") - before
        console.width, lengths[:] = 50, [50, 45]
        before = screen.getvalue().count("\x1b[1A")
        live.refresh()
        after_narrowing = screen.getvalue().count("\x1b[1A") - before
        before = screen.getvalue().count("\x1b[1A")
        live.refresh()
        assert usual == screen.getvalue().count("\x1b[1A") - before == 1
        assert after_narrowing == 2
