"""Makes text from outside safe to print: control characters become escapes such as ``\\x1b``.

Data files, servers, catalogues and the results of other people hold text that nobody has checked. A control
character in it could change a terminal's title, forge a line or reverse the direction of writing.
"""

import re
import unicodedata

__all__ = ["appearance", "encodable", "has_hidden", "one_line", "printable", "shortened", "spreadsheet_text"]

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"  # direction of writing
    "\u00ad\u180e\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # nothing visible
    "\ud800-\udfff]"  # halves of surrogate pairs, which no file can hold
)
_JOINERS = re.compile("[\u200c\u200d]")
_FORMULA = ("=", "+", "-", "@")


def has_hidden(text: str) -> bool:
    """Whether the text holds a control character, line break, mark of direction or invisible character.

    Joiners are allowed, because some scripts and emoji need them.
    """
    return _HIDDEN.search(text) is not None


def printable(text: str) -> str:
    """Return the text with control characters as escapes. Line breaks stay."""
    return _HIDDEN.sub(lambda found: found[0] if found[0] == "\n" else _escape(found[0]), text)


def one_line(text: str) -> str:
    """Return the text with control characters and line breaks as escapes."""
    return _HIDDEN.sub(lambda found: _escape(found[0]), text)


def encodable(text: str) -> str:
    """Return the text with escapes for what UTF-8 cannot hold, such as a file name in another encoding."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def appearance(text: str) -> str:
    """Return what the eye sees of a text: composed characters, single spaces between words, no joiners."""
    return " ".join(unicodedata.normalize("NFC", _JOINERS.sub("", text)).split())


def shortened(text: str, limit: int = 80) -> str:
    """Return the text on one line, cut to ``limit`` characters with ``…`` at the end."""
    shown = one_line(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def spreadsheet_text(text: str) -> str:
    """Return text for a cell of a CSV file, so that a spreadsheet does not run it as a formula.

    Text that begins with ``=``, ``+``, ``-`` or ``@`` gets an apostrophe in front, as OWASP advises under
    "CSV Injection". Do not pass numbers: negative ones would become text.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def _escape(character: str) -> str:
    """``\\x1b`` for a character below 256, else ``\\u2028`` or ``\\U000e0041``."""
    code = ord(character)
    if code < 256:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
