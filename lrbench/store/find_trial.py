"""Find a trial that the user gives by its folder, its id or the start of its id."""

from collections.abc import Sequence
from pathlib import Path

from lrbench.errors import RequestError, nearest
from lrbench.store.layout import RECORD_FILE, Results, results_of

__all__ = ["find_started_trial", "find_trial"]

_KINDS = ("trials", "running", "failed")
_MOST_COMPARED = 1000
"""Most names among which similar ones are suggested. Among more names this takes seconds."""


def find_trial(results: Results, given: str) -> Path:
    """Return the folder of a complete trial.

    Raises:
        RequestError: there is none, or several.
    """
    if (Path(given) / RECORD_FILE).is_file():
        return Path(given)
    folder = results.root / "trials"
    return folder / _one_of([path.name for path in results.trials()], given, folder, results)


def find_started_trial(results: Results, given: str) -> tuple[Results, str]:
    """Return the results folder and the id of a trial that is complete, under way or failed.

    Raises:
        RequestError: there is none, or several.
    """
    path = Path(given)
    if path.is_dir() and (place := results_of(path, _KINDS)) is not None:
        return place, path.resolve().name
    folders = (results.root / kind for kind in _KINDS)
    found = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir()]
    names = {path.name for path in found if not path.name.startswith(".")}
    return results, _one_of(sorted(names), given, results.root, results)


def _one_of(names: Sequence[str], given: str, folder: Path, results: Results) -> str:
    matching = [name for name in names if name.startswith(given)]
    if len(matching) == 1 or given in matching:
        return given if given in matching else matching[0]
    if matching:
        raise RequestError(
            f'{len(matching)} trials begin with "{given}".', f"Give more of the id: {matching[0]} …"
        )
    run = results.command("run", "SUITE.toml")
    remedy = f"Name another folder with --results, or run a suite first: {run}"
    if names:
        near = nearest(given, names) if len(names) <= _MOST_COMPARED else ""
        remedy = near or f"See the trials: {results.command('list', 'trials')}"
    raise RequestError(f'There is no trial "{given}" in {folder}.', remedy)
