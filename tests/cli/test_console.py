import io

import pytest
from rich.console import Console
from rich.table import Table

from lrbench.cli.console import message_console, result_console, say

LABELS = ("LARES [w/o RPT]", "Pop [/b]", "[red]x", ":smile:", "[link=file:///etc]y[/link]")


@pytest.mark.parametrize("label", LABELS)
def test_square_brackets_are_text_in_lines_cells_and_titles(
    label: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table(title=label, title_justify="left")
    table.add_column(label, no_wrap=True)
    table.add_row(label)
    result_console().print(table)
    say(result_console(), label)
    say(message_console(), label)
    captured = capsys.readouterr()
    assert captured.out.count(label) == 4
    assert captured.err == f"{label}\n"


def test_control_characters_are_shown_and_never_sent(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table()
    table.add_row("a\x1b]0;pwned\x07\x9bm")
    result_console().print(table, "b\x1b[31m")
    say(result_console(), "c\x1b[31m\rd")
    shown = capsys.readouterr().out
    assert r"a\x1b]0;pwned\x07\x9bm" in shown
    assert "\x1b" not in shown
    assert r"c\x1b[31m\x0dd" in shown


def test_a_terminal_gets_lines_broken_between_words() -> None:
    screen = io.StringIO()
    say(Console(file=screen, force_terminal=True, width=20), "leave-one-out, 5-core, 1,234 trials left")
    lines = screen.getvalue().splitlines()
    assert len(lines) > 1
    assert " ".join(lines).split() == ["leave-one-out,", "5-core,", "1,234", "trials", "left"]


def test_a_pipe_gets_long_lines_whole(capsys: pytest.CaptureFixture[str]) -> None:
    say(message_console(), "word " * 100)
    assert capsys.readouterr().err.count("\n") == 1
