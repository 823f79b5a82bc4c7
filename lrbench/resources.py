"""Where the files that ship with lrbench lie: the catalogue of datasets and the suites.

In a checkout they are at the top of the repository, where people look for them; in an installed wheel they
are inside the package, under ``bundled``.
"""

from pathlib import Path

from lrbench.errors import RequestError, did_you_mean

__all__ = ["catalogue_file", "find_suite", "suite_names"]


def catalogue_file() -> Path:
    """Return the catalogue that ships with lrbench."""
    return _home() / "datasets.toml"


def suite_names() -> list[str]:
    """Return the names of the suites that ship with lrbench."""
    return sorted(path.stem for path in (_home() / "suites").glob("*.toml"))


def find_suite(given: str) -> Path:
    """Return the suite file that is meant: a path, or the name of a suite that ships with lrbench.

    ``suites/quickstart.toml`` is found from anywhere, as the file of that name here or else the shipped one.

    Raises:
        RequestError: there is neither.
    """
    path = Path(given)
    if path.is_file():
        return path
    name = path.name.removesuffix(".toml")
    if name in suite_names() and path.parent.name in ("", "suites"):
        return _home() / "suites" / f"{name}.toml"
    raise RequestError(f"There is no suite {given}.", did_you_mean(name, suite_names()))


def _home() -> Path:
    package = Path(__file__).resolve().parent
    bundled = package / "bundled"
    return bundled if bundled.is_dir() else package.parent
