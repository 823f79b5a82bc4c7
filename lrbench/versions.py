"""The versions of the software that computed a result."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import lrbench

__all__ = ["versions"]


@cache
def versions() -> dict[str, str]:
    """Return versions of Python, lrbench and packages that affect numbers, and the git commit if any."""
    packages = {name: version(name) for name in ("torch", "numpy", "polars", "scipy")}
    found = {"python": platform.python_version(), "lrbench": lrbench.__version__, **packages}
    commit = _git_commit(Path(lrbench.__file__).parent)
    return found | ({"commit": commit} if commit else {})


def _git_commit(folder: Path) -> str | None:
    """Return the commit of the checkout, with a plus if files differ from it. ``None``: it is no checkout."""
    if not (folder.parent / ".git").exists():
        return None
    described = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or None
