"""lrbench: a benchmarking harness for latent-reasoning recommenders.

``lrbench.load(results, suite)`` opens results in Python.

This file imports nothing, since an interrupt while a command's process imports it ends in a traceback.
"""

TYPE_CHECKING = False  # type checkers take this name for true, as that of typing, which takes long to import
if TYPE_CHECKING:
    from typing import Any

    from lrbench.report.loaded import load

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> "Any":
    """Look up the version and ``load`` when they are asked for: both take long at a command's start."""
    if name == "load":
        from lrbench.report.loaded import load

        return load
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lrbench")
    except PackageNotFoundError:  # imported from a source tree that was never installed
        return "0+unknown"
