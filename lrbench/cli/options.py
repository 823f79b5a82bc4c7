"""Options that several verbs share, with one wording each."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lrbench.commands import RESULTS, command
from lrbench.errors import RequestError
from lrbench.names import label_fault
from lrbench.paths import absolute, check_folder, expanded, expanded_text
from lrbench.plugins import add_plugins
from lrbench.text import shortened

if TYPE_CHECKING:
    from lrbench.report.choices import Choices

__all__ = [
    "Catalog",
    "DataDir",
    "Datasets",
    "Groups",
    "Hide",
    "Masked",
    "Only",
    "Plugins",
    "Rename",
    "ResultsDir",
    "Sort",
    "SuiteName",
    "Width",
    "check_output",
    "parse_choices",
    "parse_list",
    "parse_name",
    "parse_numbers",
    "parse_pairs",
    "parse_width",
]

_MOST_NUMBERS = 100_000
_COMMA = re.compile(r"(?<!\\),")


def parse_name(text: str) -> str:
    """Replace ``~`` in the name or path of a suite or trial.

    Raises:
        RequestError: it is an archive, or ``~NAME`` is the home folder of nobody.
    """
    _refuse_archive(Path(name := expanded_text(text)))
    return name


def _refuse_archive(path: Path, results: Path | None = None) -> None:
    """Refuse an archive, and say how to import it into ``results``; ``None``: where ``--results`` says."""
    from zipfile import is_zipfile

    if path.is_file() and is_zipfile(path):
        unpack = command("import", str(path), results=results)
        raise RequestError(f"{path} is an archive.", f"Unpack it first: {unpack}")


def _folder(path: Path | None) -> Path | None:
    if path is not None:
        check_folder(path)
    return path


def _results_folder(path: Path) -> Path:
    _refuse_archive(path, RESULTS)
    check_folder(path)
    return path


ResultsDir = Annotated[
    Path,
    typer.Option(
        "--results", metavar="DIR", parser=expanded, callback=_results_folder, help="The folder of results."
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        envvar="LRBENCH_DATA",
        parser=expanded,
        callback=_folder,
        help="The folder of datasets. Without it: lrbench in the user's cache folder.",
    ),
]
Catalog = Annotated[
    Path | None,
    typer.Option(
        "--catalog", metavar="FILE", parser=expanded, help="A TOML file that describes datasets of your own."
    ),
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
        parser=expanded,
        callback=_plug_in,
        help="A Python file with models of your own. May be given several times.",
    ),
]
SuiteName = Annotated[
    str | None,
    typer.Argument(
        metavar="SUITE",
        parser=parse_name,
        help="Name or file of a suite. Without it: the suite that ran last.",
    ),
]

Masked = Annotated[
    bool | None,
    typer.Option(
        "--masked/--unmasked",
        help="Rank without the items of the user's history, or among all items. "
        "Without either: as the protocol says.",
    ),
]
Datasets = Annotated[
    str | None, typer.Option("--datasets", metavar="A,B", help="Show only these datasets (names, patterns).")
]
Groups = Annotated[
    Path | None,
    typer.Option(
        "--groups",
        metavar="FILE",
        parser=expanded,
        help="Also compare within groups of users. FILE is CSV or Parquet. It has a column user or item, "
        "and columns of categories.",
    ),
]
Only = Annotated[
    str | None, typer.Option("--only", metavar="A,B", help="Show only these rows (labels, patterns).")
]
Hide = Annotated[str | None, typer.Option("--hide", metavar="A,B", help="Leave these rows out.")]
Sort = Annotated[
    str | None, typer.Option("--sort", metavar="METRIC", help="Order rows by a metric, the highest first.")
]
Rename = Annotated[
    list[str] | None,
    typer.Option(
        "--rename", metavar="OLD=NEW", help="Print a row under another label. May be given several times."
    ),
]

Width = Annotated[
    str,
    typer.Option(
        "--width",
        metavar="WIDTH",
        help="Width of tables in a paper: column (3.33 in), text (7 in) or a number of inches, "
        "e.g. 4.77 for the LaTeX class article.",
    ),
]


def parse_width(text: str) -> Literal["column", "text"] | float:
    """Read ``column``, ``text`` or a number of inches.

    Raises:
        RequestError: it is none of them, or not between 1.5 and 40 inches.
    """
    from lrbench.report.layout import inches_of

    if text in ("column", "text"):
        return text  # type: ignore[return-value]
    try:
        return inches_of(text)
    except RequestError as error:
        raise RequestError(f"--width: {error.cause}", error.remedy) from None


def parse_choices(
    datasets: str | None, only: str | None, hide: str | None, sort: str | None, rename: list[str] | None
) -> "Choices":
    """Read the options that choose what a report or a figure shows.

    Raises:
        RequestError: a value of ``--rename`` has no ``=`` or an empty side, or NEW is not allowed as a label.
    """
    from lrbench.report.choices import Choices

    names = {}
    for text in rename or []:
        old, equals, new = (part.strip() for part in text.partition("="))
        if not (old and equals and new):
            raise RequestError(f'--rename: "{text}" does not say OLD=NEW.', 'Example: --rename "LARES=Ours"')
        if fault := label_fault(new):
            raise RequestError(f'--rename: "{new}" is no label: {fault}.', "Give another label.")
        names[old] = new
    return Choices(
        datasets=tuple(parse_list(datasets, "--datasets")),
        only=tuple(parse_list(only, "--only")),
        hide=tuple(parse_list(hide, "--hide")),
        sort=sort or "",
        rename=names,
    )


def check_output(path: Path | None) -> Path | None:
    """Refuse an output file that cannot be written, before its content is computed.

    ``-`` means standard output.

    Raises:
        RequestError: the path is a folder, or is in a folder that cannot be written.
    """
    from lrbench.files import check_writable

    if path is None or str(path) == "-":
        return path
    if path.is_dir():
        raise RequestError(f"{path} is a folder.", "Name a file in it.")
    if path.is_file() or not path.exists():  # a device or a pipe needs no temporary file beside it
        check_writable(absolute(path).parent)
    return path


def parse_list(text: str | None, option: str) -> list[str]:
    """Split ``a,b`` at commas; ``\\,`` is a comma within a name.

    An option that was not given is an empty list.

    Raises:
        RequestError: the text holds no name.
    """
    parts = [part.replace("\\,", ",").strip() for part in _COMMA.split(text or "") if part.strip()]
    if text is not None and not parts:
        raise RequestError(f"{option} names nothing.", "Give a value, or leave it out.")
    return parts


def parse_pairs(text: str, option: str) -> dict[str, str]:
    """Split ``a=b,c=d`` into names and values; ``\\,`` is a comma within a value.

    Raises:
        RequestError: a part is not of the form ``a=b``, or a name is given twice.
    """
    pairs: dict[str, str] = {}
    for part in _COMMA.split(text):
        name, _, value = part.replace("\\,", ",").partition("=")
        name, value = name.strip(), value.strip(" ") or value
        if not name or not value:
            raise RequestError(
                f'{option}: "{text}" is not understood.',
                "Write user=A,item=B,time=C. A comma within a name is \\,",
            )
        if name in pairs:
            raise RequestError(f'{option}: "{name}" is given twice.', "Give it once.")
        pairs[name] = value
    return pairs


def parse_numbers(text: str | None, option: str, largest: int) -> list[int]:
    """Split ``1,2`` into numbers; ranges such as ``0-16`` are spelled out.

    Args:
        text: the value of the option; ``None``: it was not given.
        option: its name, for messages.
        largest: the largest number that it takes.

    Raises:
        RequestError: a part is no number or too large, a range ends before it begins, or there are too many
            numbers.
    """
    numbers: list[int] = []
    for part in parse_list(text, option):
        low, dash, high = part.partition("-")
        first = _number(low, part, option, largest)
        last = _number(high, part, option, largest) if dash else first
        if last < first:
            raise RequestError(f'{option}: "{part}" holds no number.', f"Write {last}-{first}.")
        if len(numbers) + last - first >= _MOST_NUMBERS:
            raise RequestError(f"{option} names more than {_MOST_NUMBERS:,} numbers.", "Name fewer.")
        numbers.extend(range(first, last + 1))
    return numbers


def _number(digits: str, part: str, option: str, largest: int) -> int:
    if not (digits.isascii() and digits.isdecimal()):
        raise RequestError(
            f'{option}: "{shortened(part)}" is no number.', f"Write it like this: {option} 1,2,3"
        )
    if len(digits) > len(str(largest)) or int(digits) > largest:
        raise RequestError(f"{option}: {shortened(part)} is too large.", f"The largest is {largest:,}.")
    return int(digits)
