"""Models in a user's own file: ``--plugin my_model.py``, or ``LRBENCH_PLUGINS`` in the environment.

The file holds a dictionary ``MODELS`` from names to model classes. The environment variable carries the paths
of such files to worker processes. The fingerprint of a file is part of the id of every trial of its models.
An edited file therefore makes other trials.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.machinery import SourceFileLoader
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any

from lrbench.errors import RequestError
from lrbench.model_class import model_fault
from lrbench.paths import absolute, expanded
from lrbench.text import shortened

__all__ = ["PLUGINS", "add_plugins", "failed_line", "plugged_models", "plugin_files", "plugin_fingerprint"]

PLUGINS = "LRBENCH_PLUGINS"
"""Environment variable with the paths of plug-in files, separated as in PATH."""

_ATTRIBUTE = "MODELS"
_MODULE_PREFIX = "lrbench_plugin_"


def add_plugins(paths: Sequence[Path]) -> None:
    """Make the models of these files known to this process and to those that it starts.

    Raises:
        RequestError: a file is missing, cannot be loaded or declares no models, two files declare one name,
            or a path holds the character that separates paths.
    """
    added = [str(absolute(path)) for path in paths]
    for path in added:
        if os.pathsep in path:
            raise RequestError(
                f'The path {path} of a plug-in holds "{os.pathsep}".',
                f"{PLUGINS} separates paths by it. Rename the file or its folder.",
            )
    os.environ[PLUGINS] = os.pathsep.join(dict.fromkeys((*_given(), *added)))
    plugged_models()


def plugged_models() -> dict[str, tuple[Any, Path]]:
    """Return the models of all plug-in files by name, each with its file.

    Raises:
        RequestError: a file is missing, cannot be loaded, declares no models or one that cannot be used, or
            two files declare one name.
    """
    found: dict[str, tuple[Any, Path]] = {}
    for path in plugin_files():
        models = getattr(_load(path), _ATTRIBUTE, None)
        if not isinstance(models, dict) or not models:
            raise RequestError(
                f"{path} declares no models.", f'It needs a line such as {_ATTRIBUTE} = {{"name": MyModel}}.'
            )
        for name, model in models.items():
            if fault := model_fault(name, model):
                raise RequestError(f'{path} declares a model "{name}", but {fault}.', "Mend the file.")
            if name in found:
                raise RequestError(
                    f'Both {found[name][1]} and {path} declare a model "{name}".', "Rename one."
                )
            found[name] = (model, path)
    return found


def plugin_files() -> list[Path]:
    """Return the plug-in files that were given to this process."""
    return [expanded(text) for text in _given()]


def plugin_fingerprint(name: str) -> str | None:
    """Return a hash of the plug-in file that declares a model. ``None``: no plug-in file does."""
    plugged = plugged_models().get(name)
    return None if plugged is None else _digest(plugged[1].read_bytes())[:16]


def failed_line(error: BaseException, package: str = "") -> str | None:
    """Return the last line of a plug-in through which an error passed: ``line 7 of /x/fading.py``.

    Args:
        error: it was raised.
        package: a package whose modules are looked for; empty: plug-in files are looked for.

    Returns:
        ``None`` if it passed through none.
    """
    passed = [
        f"line {number} of {frame.f_code.co_filename}"
        for frame, number in walk_tb(error.__traceback__)
        if _is_of(str(frame.f_globals.get("__name__", "")), package)
    ]
    return passed[-1] if passed else None


def _is_of(module: str, package: str) -> bool:
    return module.partition(".")[0] == package if package else module.startswith(_MODULE_PREFIX)


def _given() -> list[str]:
    """Return the paths of plug-in files in the environment, as they stand there."""
    return [text for text in os.environ.get(PLUGINS, "").split(os.pathsep) if text]


def _digest(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    import hashlib  # noqa: PLC0415 - it loads OpenSSL, which no help needs

    return hashlib.sha256(content).hexdigest()


def _load(path: Path) -> ModuleType:
    """Import a file, at most once per process. What it prints goes to standard error, apart from results.

    Raises:
        RequestError: it is missing, is no Python file, or cannot be loaded.
    """
    name = f"{_MODULE_PREFIX}{_digest(str(path).encode())[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise RequestError(f"There is no plug-in file {path}.", "Give the path of a Python file.")
    if path.suffix != ".py":
        raise RequestError(f"The plug-in {path} is no Python file.", "Its name must end in .py.")
    loader = _LeavingNothing(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with redirect_stdout(sys.stderr):
            loader.exec_module(module)
    except KeyboardInterrupt:
        sys.modules.pop(name, None)
        raise
    except BaseException as error:  # a file may raise anything, also SystemExit and GeneratorExit
        sys.modules.pop(name, None)
        reason = shortened(f"{type(error).__name__}: {error}", 300)
        line = failed_line(error)
        where = f" The error is in {line}." if line else ""
        raise RequestError(
            f"The plug-in {path} cannot be loaded: {reason}.{where}", "Mend the file."
        ) from error
    return module


class _LeavingNothing(SourceFileLoader):
    """Loads a file without leaving compiled code in the user's folder."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Do not write the compiled code."""
