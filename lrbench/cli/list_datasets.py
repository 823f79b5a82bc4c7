"""``lrbench list datasets``: by family, with sizes, and with a mark for what is prepared here."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.cli.columns import print_columns
from lrbench.errors import RequestError, did_you_mean
from lrbench.text import one_line

if TYPE_CHECKING:
    from lrbench.data.catalogue import Dataset
    from lrbench.data.obtain import Library

__all__ = ["print_datasets"]

_OWN = "Your own datasets"
_ALIASES = "Aliases"


def print_datasets(library: "Library", pattern: str) -> None:
    """Print the datasets whose name, alias or family has ``pattern`` in it, whatever its case.

    They stand under the heading of their family.
    A row has the name, the interactions before any filter and the size of the uncompressed file, as far as
    the catalogue or a prepared form knows them. Outside families of categories it ends with the edition.

    Raises:
        RequestError: no name contains ``pattern``.
    """
    catalogue, wanted = library.catalogue, pattern.casefold()
    families: dict[str, list[tuple[str, ...]]] = {}
    for name, dataset in catalogue.datasets.items():
        if wanted in f"{name}\n{dataset.family}".casefold():
            here = sorted((library.folders.prepared / name).glob("*/dataset.json"))
            families.setdefault(dataset.family or _OWN, []).append(_row(dataset, here))
    for alias, name in sorted(catalogue.aliases.items()):
        if wanted in alias.casefold():
            families.setdefault(_ALIASES, []).append((alias, "", "", f"= {name}"))
    if not families:
        raise RequestError(
            f'No name among the datasets has "{pattern}" in it.',
            did_you_mean(pattern, [*catalogue.datasets, *catalogue.aliases]),
        )
    for number, (family, rows) in enumerate(families.items()):
        count = f" ({len(rows)})" if len(rows) > 1 else ""
        print("\n" * (number > 0), end="")
        print_columns([[f"{one_line(family)}{count}"]])
        print_columns(rows, right=(1, 2), indent=2)


def _row(dataset: "Dataset", here: Sequence[Path]) -> tuple[str, str, str, str]:
    """Return the name, the interactions, the size and the meaning of a dataset.

    A category of a family is told by its name. ``here`` are the records of its prepared forms.
    """
    rows = next((source.raw.interactions for source in dataset.sources if source.raw.interactions), None)
    size = next((source.size for source in dataset.sources if source.size), None)
    if rows is None:
        rows = next((found for path in here if (found := _raw_rows(path)) is not None), None)
    meaning = "" if dataset.category else one_line(dataset.edition)
    return (
        dataset.name,
        "" if rows is None else f"{rows:,} rows",
        "" if size is None else f"{max(size / 1e6, 0.1):,.1f} MB",
        f"{meaning}{' [prepared]' if here else ''}".strip(),
    )


def _raw_rows(record: Path) -> int | None:
    """Return the interactions before any filter that a prepared form counted; ``None``: it is unreadable."""
    try:
        counts = json.loads(record.read_text(encoding="utf-8"))["counts"]
        return int(counts[0]["interactions"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
