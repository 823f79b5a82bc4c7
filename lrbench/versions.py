"""The versions that stand behind a result."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import lrbench

__all__ = ["versions"]


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape numbers, and lrbench's git commit if it has one."""
    packages = {name: version(name) for name in ("torch", "numpy", "polars", "scipy")}
    found = {"python": platform.python_version(), "lrbench": lrbench.__version__, **packages}
    commit = _git_commit(Path(lrbench.__file__).parent)
    return found | ({"commit": commit} if commit else {})


def _git_commit(folder: Path) -> str | None:
    """The checkout's commit, with a plus where files differ from it; none outside a checkout of lrbench."""
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
