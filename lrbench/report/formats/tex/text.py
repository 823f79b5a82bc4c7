"""Texts in LaTeX: escaping, and an estimate of the width of a text."""

import re
import unicodedata

__all__ = ["breakable", "escape", "in_latin_fonts", "slug", "text_width"]

COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"$\mathdollar$",  # \textdollar is in a companion font, which is often installed only as bitmaps
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': "''",
    "[": "{[}",  # at the start of a row, TeX would read it as an option of the row above
    "]": "{]}",
    "*": "{*}",
    "\u00a0": "~",
    "–": "--",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≈": r"$\approx$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "→": r"$\rightarrow$",
    "²": r"$^{2}$",
    "³": r"$^{3}$",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
    "\n": " ",
}
GREEK_LETTERS = "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"
GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi "
    "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
GREEK = {letter: f"$\\{name}$" for letter, name in zip(GREEK_LETTERS, GREEK_NAMES.split(), strict=True)}
TRANSLATION = str.maketrans(COMMANDS | GREEK)

SIZE = 8.5
"""Points per em in tables. The font has 8 pt in most classes; small letters are relatively wider."""

WIDTHS = {
    sign: width
    for signs, width in (
        ("ijl.,:;'!|` ", 0.3),
        ("()[]tfsrI-/", 0.42),
        ("aceghknopquvxyzbd0123456789$–", 0.54),
        ("wJLSFTZE?", 0.7),
        ("mABCDGHKNOPQRUVXY+−=<>±×≈~^%&#@_*", 0.82),
        ("WM—…", 1.05),
    )
    for sign in signs
}
"""Widths of characters in em, rounded up, from Computer Modern (wider than Times or Libertine)."""

BOLD = 1.15
"""Width of bold text relative to normal text."""


def escape(text: str) -> str:
    """Escape characters that TeX would read as commands, and write those that its fonts lack as commands."""
    return text.translate(TRANSLATION)


def text_width(text: str, bold: bool = False) -> float:
    """Estimate the width of an unescaped text in a table, in points; it is rarely too small."""
    width = sum(WIDTHS.get(sign, 0.8) for sign in text) * SIZE
    return width * BOLD if bold else width


def breakable(text: str, room: float) -> str:
    """Escape a text, and let TeX break every word that is wider than ``room`` points."""
    words = []
    for word in text.split():
        pieces = [word] if text_width(word) <= room else re.findall(r"[^-_/]+[-_/]?|[-_/]", word)
        words.append(r"\allowbreak{}".join(_broken(piece, room) for piece in pieces))
    return " ".join(words)


def _broken(word: str, room: float) -> str:
    """Escape a word; if it is wider than ``room`` points, let TeX break it after every character."""
    return escape(word) if text_width(word) <= room else r"\allowbreak{}".join(map(escape, word))


def slug(name: str) -> str:
    """Return the name in lower case with ``-`` for all other characters, for labels and file names."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()


def in_latin_fonts(sign: str) -> bool:
    """Whether the character is ASCII, or an ASCII letter with an accent."""
    return unicodedata.normalize("NFD", sign)[0].isascii()
