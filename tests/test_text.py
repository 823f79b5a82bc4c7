import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.text import appearance, has_hidden, one_line, printable, shortened, spreadsheet_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\x9b31m", r"a\x9b31m"),  # C1: the same as ESC [ in one character
        ("a\rb\x00\x7f", r"a\rb\x00\x7f".replace("\\r", "\\x0d")),
        ("a\u2028b\u202e", r"a\u2028b\u202e"),
        ("\udcff", r"\udcff"),
        ("LARES\u200b", r"LARES\u200b"),  # looks like another label
        ("\ufeffa\u00ad\U000e0041", r"\ufeffa\xad\U000e0041"),
        ("Café, 項目, 👩‍🔬 [w/o RPT]", "Café, 項目, 👩‍🔬 [w/o RPT]"),
    ],
)
def test_control_characters_become_escapes(text: str, shown: str) -> None:
    assert one_line(text) == printable(text) == shown
    assert has_hidden(text) == (text != shown)


def test_only_messages_keep_line_breaks() -> None:
    assert (printable("a\nb"), one_line("a\nb")) == ("a\nb", r"a\x0ab")


@given(st.text(st.characters()))
def test_what_is_shown_can_be_encoded_and_holds_nothing_hidden(text: str) -> None:
    shown = one_line(text)
    assert not has_hidden(shown)
    shown.encode("utf-8")
    assert len(shortened(text)) <= 80


def test_long_text_is_cut() -> None:
    assert shortened("x" * 81) == "x" * 79 + "…"
    assert shortened("\x1b" * 30, 10) == r"\x1b\x1b\…".replace("\\…", "\\…")


@pytest.mark.parametrize("formula", ["=cmd|' /C calc'!A0", "+1", "-1+2", "@SUM(A1)"])
def test_a_spreadsheet_runs_no_label(formula: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerow([spreadsheet_text(formula)])
    assert next(csv.reader(io.StringIO(file.getvalue()))) == [f"'{formula}"]
    assert spreadsheet_text("SASRec = ours") == "SASRec = ours"


@pytest.mark.parametrize("other", ["é b", "e\u0301 b", " é  b ", "é\u00a0b", "é\u200d b", "é b\u200c"])
def test_texts_that_look_alike(other: str) -> None:
    assert appearance(other) == "é b"
