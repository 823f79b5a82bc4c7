"""What models, suites, datasets and rows may be called. Names become parts of files' names; labels do not."""

import re
from fnmatch import fnmatchcase

from lrbench.text import has_hidden

__all__ = ["label_fault", "label_matches", "name_fault"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_LONGEST_NAME = 64
"""Names of a dataset and a model fit together into one file name of 255 bytes."""
_LONGEST_LABEL = 200
"""Longer labels do not fit into a table."""


def name_fault(name: str) -> str:
    """Say what is wrong with the name of a model, a suite or a dataset; empty if it is right."""
    if len(name) > _LONGEST_NAME:
        return f"a name has at most {_LONGEST_NAME} characters"
    if not _NAME.fullmatch(name):
        return "a name begins with a letter or digit and holds letters, digits, dots, hyphens and underscores"
    return ""


def label_fault(label: str) -> str:
    """Say what is wrong with the label of a row; empty if it is right."""
    if not label.strip():
        return "a row needs a name"
    if has_hidden(label):
        return "a label holds no control characters and no line breaks"
    if len(label) > _LONGEST_LABEL:
        return f"a label has at most {_LONGEST_LABEL} characters"
    return ""


def label_matches(label: str, pattern: str) -> bool:
    """Whether a label is ``pattern``, in which ``*`` stands for any text and ``?`` for one character.

    Square brackets stand for themselves: labels such as ``LARES [w/o RPT]`` are common.
    """
    return fnmatchcase(label, pattern.replace("[", "[[]"))
