"""``lrbench list datasets``: by family, with sizes, and with a mark for what is prepared here."""

from typing import TYPE_CHECKING

from lrbench.errors import RequestError, did_you_mean
from lrbench.text import one_line

if TYPE_CHECKING:
    from lrbench.data.catalogue import Dataset
    from lrbench.data.obtain import Library

__all__ = ["print_datasets"]

_OWN = "Your own datasets"
_ALIASES = "Aliases"


def print_datasets(library: "Library", pattern: str) -> None:
    """Print the datasets whose name or alias has ``pattern`` in it, under the heading of their family.

    A row has the name, the interactions before any filter and the size of the uncompressed file, as far as
    the catalogue knows them. It ends with the category or, in a family without categories, the edition.

    Raises:
        RequestError: no name contains ``pattern``.
    """
    catalogue = library.catalogue
    families: dict[str, list[tuple[str, str, str, str]]] = {}
    for name, dataset in catalogue.datasets.items():
        if pattern in name:
            here = any((library.folders.prepared / name).glob("*/dataset.json"))
            families.setdefault(dataset.family or _OWN, []).append(_row(dataset, here))
    for alias, name in sorted(catalogue.aliases.items()):
        if pattern in alias:
            families.setdefault(_ALIASES, []).append((alias, "", "", f"= {name}"))
    if not families:
        raise RequestError(
            f'No name among the datasets has "{pattern}" in it.',
            did_you_mean(pattern, [*catalogue.datasets, *catalogue.aliases]),
        )
    for number, (family, rows) in enumerate(families.items()):
        print("\n" * (number > 0) + one_line(family))
        names, counts, sizes = (max(len(row[column]) for row in rows) for column in range(3))
        for name, count, size, meaning in rows:
            print(f"  {name:{names}}  {count:>{counts}}  {size:>{sizes}}  {one_line(meaning)}".rstrip())


def _row(dataset: "Dataset", here: bool) -> tuple[str, str, str, str]:
    """Return a dataset's name, its number of interactions, its size, and what it is."""
    rows = next((source.raw.interactions for source in dataset.sources if source.raw.interactions), None)
    size = next((source.size for source in dataset.sources if source.size), None)
    meaning = dataset.category or dataset.edition
    return (
        dataset.name,
        "" if rows is None else f"{rows:,} rows",
        "" if size is None else f"{size / 1e6:,.1f} MB",
        f"{meaning}{' [prepared]' if here else ''}",
    )
