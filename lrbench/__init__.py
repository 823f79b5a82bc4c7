"""lrbench: a benchmarking harness for latent-reasoning recommenders."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lrbench")
except PackageNotFoundError:  # imported from a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
