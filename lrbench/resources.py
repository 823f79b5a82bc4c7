"""Where the files are that ship with lrbench: the catalogue of datasets and the suites.

In a checkout they are at the top of the repository, where people look for them. In an installed wheel they
are inside the package, under ``bundled``.
"""

from pathlib import Path

from lrbench.errors import RequestError, did_you_mean

__all__ = ["catalogue_file", "find_suite", "suite_names"]


def catalogue_file() -> Path:
    """Return the catalogue that ships with lrbench."""
    return _home() / "datasets.toml"


def suite_names() -> list[str]:
    """Return the names of the shipped suites: first those for users, then those of reference results."""
    return list(_suites())


def find_suite(given: str) -> Path:
    """Return the path of a suite file.

    Args:
        given: a path, or the name of a suite that ships with lrbench. A path such as
            ``suites/quickstart.toml`` that does not exist here means the shipped suite of that name.

    Raises:
        RequestError: there is no such file and no such suite.
    """
    path = Path(given)
    if path.is_file():
        return path
    shipped = _suites()
    name = path.name.removesuffix(".toml")
    if name in shipped and path.parent in (Path(), Path("suites"), Path("suites/reference")):
        return shipped[name]
    raise RequestError(f"There is no suite {given}.", did_you_mean(name, list(shipped)))


def _suites() -> dict[str, Path]:
    """Return every shipped suite by name, those in ``suites/`` before those in ``suites/reference/``."""
    folder = _home() / "suites"
    files = [*sorted(folder.glob("*.toml")), *sorted(folder.glob("reference/*.toml"))]
    return {file.stem: file for file in files}


def _home() -> Path:
    package = Path(__file__).resolve().parent
    bundled = package / "bundled"
    return bundled if bundled.is_dir() else package.parent
