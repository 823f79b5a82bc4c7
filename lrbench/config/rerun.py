"""Which trials of a suite run: declared once, for the command line and for the plan."""

from enum import StrEnum

__all__ = ["Rerun"]


class Rerun(StrEnum):
    """Which trials of a suite run."""

    missing = "missing"
    """Those that are not complete."""

    failed = "failed"
    """Those that failed."""

    all = "all"
    """All of them; complete ones are trained again and replaced."""
