"""Which names and labels are allowed, and how patterns choose among them.

Models, suites and datasets have names, which become parts of file names. Rows have labels, which do not.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from lrbench.errors import RequestError, did_you_mean
from lrbench.text import has_hidden

__all__ = ["check_list", "chosen_names", "label_fault", "matching_names", "name_fault"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_LONGEST_NAME = 64
"""So that the names of a dataset and a model fit into one file name of 255 bytes."""
_LONGEST_LABEL = 200
"""Longer labels do not fit into a table."""


def name_fault(name: str) -> str:
    """Return what is wrong with the name of a model, a suite or a dataset. Empty if nothing is."""
    if len(name) > _LONGEST_NAME:
        return f"a name has at most {_LONGEST_NAME} characters"
    if not _NAME.fullmatch(name):
        return "a name begins with a letter or digit and holds letters, digits, dots, hyphens and underscores"
    return ""


def label_fault(label: str) -> str:
    """Return what is wrong with the label of a row. Empty if nothing is."""
    if not label.strip():
        return "a row needs a name"
    if has_hidden(label):
        return "a label holds no control characters and no line breaks"
    if len(label) > _LONGEST_LABEL:
        return f"a label has at most {_LONGEST_LABEL} characters"
    return ""


def check_list(names: Sequence[str], argument: str) -> None:
    """Refuse one text in the place of a list of names. Python would take each of its letters as a name.

    Args:
        names: what was given.
        argument: the argument of a function that it was given for.

    Raises:
        RequestError: it is one text.
    """
    if isinstance(names, str):
        raise RequestError(
            f'{argument}="{names}" is one text, but a list is needed.', f'Write {argument}=["{names}"].'
        )


def matching_names(names: Sequence[str], patterns: Sequence[str], what: str) -> list[str]:
    """Return the names that match at least one pattern, in the order of ``names``.

    In a pattern ``*`` stands for any text and ``?`` for one character. A pattern that equals a name means
    that name alone. Square brackets stand for themselves: labels such as ``LARES [w/o RPT]`` are common.

    Args:
        names: all names.
        patterns: as a person gave them.
        what: the word for a name in messages, such as ``row``.

    Raises:
        RequestError: a pattern matches nothing.
    """
    found: set[str] = set()
    for pattern in patterns:
        literal = pattern.replace("[", "[[]")
        fitting = {pattern} & set(names) or {name for name in names if fnmatchcase(name, literal)}
        if not fitting:
            comma = " Write \\, for a comma in a name." if any("," in name for name in names) else ""
            raise RequestError(f'"{pattern}" matches no {what}.', f"{did_you_mean(pattern, names)}{comma}")
        found |= fitting
    return [name for name in names if name in found]


def chosen_names(names: Sequence[str], only: Sequence[str], what: str) -> list[str]:
    """Return what :func:`matching_names` returns. Without a pattern return all names.

    Raises:
        RequestError: a pattern matches nothing.
    """
    return matching_names(names, only, what) if only else list(names)
