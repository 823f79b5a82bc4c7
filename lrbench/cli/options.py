"""Options that several verbs share, with one wording each."""

from pathlib import Path
from typing import Annotated

import typer

from lrbench.errors import RequestError
from lrbench.plugins import add_plugins

__all__ = [
    "Catalog",
    "DataDir",
    "Plugins",
    "ResultsDir",
    "SuiteName",
    "check_output",
    "parse_list",
    "parse_numbers",
]

ResultsDir = Annotated[Path, typer.Option("--results", metavar="DIR", help="Folder of results.")]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", envvar="LRBENCH_DATA", help="Folder of datasets."),
]
Catalog = Annotated[
    Path | None, typer.Option("--catalog", metavar="FILE", help="A catalogue of your own datasets.")
]


def _plug_in(paths: list[Path] | None) -> list[Path] | None:
    if paths:
        add_plugins(paths)
    return paths


Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        callback=_plug_in,
        help="A Python file with models of your own; may be repeated.",
    ),
]
SuiteName = Annotated[
    str | None, typer.Argument(metavar="[SUITE]", help="A suite's name or file; none: the latest.")
]


def check_output(path: Path | None) -> Path | None:
    """Refuse a file that cannot be written before its content is made; for the callback of an option.

    Raises:
        RequestError: it is a folder, or lies where nothing can be written.
    """
    from lrbench.files import check_writable

    if path is None:
        return None
    if path.is_dir():
        raise RequestError(f"{path} is a folder.", "Name a file in it.")
    if path.is_file() or not path.exists():  # else it is a device or a pipe, which needs no room beside it
        check_writable(path.resolve().parent)
    return path


def parse_list(text: str | None) -> list[str]:
    """Split ``a,b`` at commas; nothing given gives an empty list."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def parse_numbers(text: str | None, option: str) -> list[int]:
    """Split ``1,2`` into numbers; ranges such as ``0-16`` are spelled out.

    Raises:
        RequestError: a part is no number, or a range ends before it begins.
    """
    numbers: list[int] = []
    for part in parse_list(text):
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()):
            raise RequestError(f'{option}: "{part}" is no number.', f"Write it like this: {option} 1,2,3")
        first, last = int(low), int(high or low)
        if last < first:
            raise RequestError(f'{option}: "{part}" holds no number.', f"Write {last}-{first}.")
        numbers.extend(range(first, last + 1))
    return numbers
