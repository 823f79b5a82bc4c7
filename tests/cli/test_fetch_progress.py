from io import StringIO

import pytest
from rich.console import Console

from lrbench.cli import fetch_progress as transfers
from lrbench.cli.fetch_progress import listener_for


def test_plain_lines_come_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 6.0, 7.0, 10.0])
    monkeypatch.setattr(transfers.time, "monotonic", lambda: next(clock))
    console = Console(file=StringIO(), width=200)
    with listener_for(console) as listener:
        listener.say("a [word]")
        for megabytes in (1, 2, 7, 8, 10):  # it goes on at 1 MB
            listener.advance("ml-1m.zip", megabytes * 1_000_000, 10_000_000)
    assert console.file.getvalue().splitlines() == [
        "a [word]",
        "ml-1m.zip: 7.0 MB of 10.0 MB, 1.0 MB/s, 3 s left",
        "ml-1m.zip: 10.0 MB, complete",
    ]


def test_a_transfer_that_starts_again_is_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 6.0, 12.0, 18.0])
    monkeypatch.setattr(transfers.time, "monotonic", lambda: next(clock))
    console = Console(file=StringIO(), width=200)
    with listener_for(console) as listener:
        for megabytes in (50, 62, 0, 6):
            listener.advance("ml-1m.zip", megabytes * 1_000_000, 66_000_000)
    assert console.file.getvalue().splitlines() == [
        "ml-1m.zip: 62.0 MB of 66.0 MB, 2.0 MB/s, 2 s left",
        "ml-1m.zip: 0.0 MB of 66.0 MB, 0.0 MB/s",
        "ml-1m.zip: 6.0 MB of 66.0 MB, 1.0 MB/s, 60 s left",
    ]


def test_an_unknown_length_has_no_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(transfers.time, "monotonic", lambda: next(clock))
    console = Console(file=StringIO(), width=200)
    with listener_for(console) as listener:
        listener.advance("x", 0, None)
        listener.advance("x", 5_000_000, None)
    assert console.file.getvalue() == "x: 5.0 MB, 0.5 MB/s\n"


def test_a_terminal_gets_bars() -> None:
    console = Console(file=StringIO(), width=120, force_terminal=True, no_color=True, highlight=False)
    with listener_for(console) as listener:
        listener.say("a [word]")
        for name in ("ml-1m.zip", "Beauty.txt"):
            listener.advance(name, 500_000, 1_000_000)
            listener.advance(name, 1_000_000, 1_000_000)
    shown = console.file.getvalue()
    assert "a [word]" in shown
    assert "ml-1m.zip" in shown
    assert "Beauty.txt" in shown
    assert "1.0/1.0 MB" in shown
