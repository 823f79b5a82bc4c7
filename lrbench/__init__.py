"""lrbench: a benchmarking harness for latent-reasoning recommenders."""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: that takes longer than all else at a command's start."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lrbench")
    except PackageNotFoundError:  # imported from a source tree that was never installed
        return "0+unknown"
