"""Tables that are wider than the console."""

import io

import pytest
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from lrbench.cli.tables import print_table

HEADINGS = ("mean", "min", "median", "interactions")
NUMBERS = ("1,234.5", "12", "1,000,000", "987,654,321")


def printed(width: int, boxed: bool) -> list[str]:
    style = {"box": SIMPLE} if boxed else {"box": None, "padding": (0, 1, 0, 0)}
    table = Table(title="What users have", pad_edge=False, **style)
    table.add_column("row", overflow="fold")
    table.add_column("split")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    table.add_row("of a user with quite a long name", "test", *NUMBERS)
    console = Console(file=io.StringIO(), width=width)
    print_table(console, table, names=2)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("boxed", [True, False])
@pytest.mark.parametrize("width", range(44, 100))
def test_no_number_and_no_heading_is_cut(width: int, boxed: bool) -> None:
    lines = printed(width, boxed)
    words = " ".join(lines).split()
    assert all(words.count(word) == 1 for word in (*HEADINGS, *NUMBERS, "What"))
    assert "…" not in "".join(lines)
    assert max(map(len, lines)) <= width
    assert words.count("test") == words.count("split")  # the names of rows are in every block


def test_a_table_that_fits_is_one_block() -> None:
    assert " ".join(printed(100, boxed=True)).count("split") == 1
    assert " ".join(printed(44, boxed=True)).count("split") > 1
