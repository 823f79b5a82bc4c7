"""lrbench: a benchmarking harness for latent-reasoning recommenders.

``lrbench.load(results, suite)`` opens results in Python.

This file imports nothing, because an interrupt while a command imports it would end in a traceback.
"""

TYPE_CHECKING = False  # type checkers read this name as true, as they do with `typing.TYPE_CHECKING`
if TYPE_CHECKING:
    from typing import Any

    from lrbench.report.loaded import load

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> "Any":
    """Look up the version and ``load`` only when they are asked for, since both take long."""
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
