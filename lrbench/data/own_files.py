"""Files of the user's own: ``lrbench fetch NAME --from FILE --columns …`` makes a dataset from a file.

The entry of the dataset is kept in the data folder, so that its name can be used from then on. The file stays
where it is.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from lrbench.config.base import parse_config
from lrbench.data.addresses import path_kind
from lrbench.data.catalogue import Catalogue, Dataset, merged
from lrbench.data.fetching.locks import writing_below
from lrbench.data.readers import table_reader
from lrbench.errors import RequestError
from lrbench.files import read_plain, write_text

__all__ = ["add_user_file", "is_users_own", "remember_user_file", "remembered_files", "user_file"]

_OWN = "a file of your own"


def user_file(name: str, file: Path, columns: Mapping[str, str]) -> Dataset:
    """Return an entry for a CSV or Parquet file given on the command line.

    Args:
        name: the name of the new dataset.
        file: a Parquet file or delimited text, recognised by its content.
        columns: options of that reader: ``user``, ``item``, ``time``, ``rating``, ``separator``, …

    Raises:
        RequestError: there is no such file, or the name cannot name a dataset.
    """
    kind = path_kind(file)
    if kind != "file":
        fault = f"{file} is a folder" if kind == "folder" else f"There is no file {file}"
        raise RequestError(f"{fault}.", "Give the path of a CSV or Parquet file with --from.")
    reader = table_reader(file, columns.get("member", ""))
    source = {"reader": reader, "options": dict(columns), "path": file.name, "local": file.resolve()}
    entry = {"name": name, "edition": f"{_OWN}, {file.name}", "sources": (source,)}
    return parse_config(Dataset, entry, f'dataset "{name}"')


def add_user_file(catalogue: Catalogue, dataset: Dataset, folder: Path) -> Catalogue:
    """Return the catalogue with a file of the user's own, which replaces an earlier one of that name.

    Raises:
        RequestError: the name belongs to a dataset that was not given on the command line.
    """
    if not _entry(dataset.name, folder).exists():
        return merged([catalogue, Catalogue({dataset.name: dataset}, {})])
    return Catalogue({**catalogue.datasets, dataset.name: dataset}, catalogue.aliases)


def is_users_own(edition: str) -> bool:
    """Tell whether an edition is that of a file given on the command line. Nobody publishes its checksum."""
    return edition.startswith(f"{_OWN}, ")


def remember_user_file(dataset: Dataset, folder: Path) -> None:
    """Keep the entry of a file of the user's own, so that its name can be used from now on.

    Raises:
        RequestError: the data folder cannot be written.
    """
    with writing_below(folder, dataset.name):
        write_text(_entry(dataset.name, folder), dataset.model_dump_json(indent=2) + "\n")


def remembered_files(folder: Path) -> Catalogue:
    """Return the entries that were kept of files given on the command line.

    Raises:
        RequestError: an entry is damaged.
    """
    datasets = {}
    for file in sorted(folder.glob("*.json")):
        try:
            dataset = Dataset.model_validate_json(read_plain(file))
        except (OSError, ValidationError, UnicodeDecodeError):
            raise _damaged(file) from None
        if dataset.name != file.stem or not _is_user_file(dataset):
            raise _damaged(file)
        datasets[dataset.name] = dataset
    return Catalogue(datasets, {})


def _is_user_file(dataset: Dataset) -> bool:
    """Tell whether :func:`user_file` can have made an entry: it neither fetches nor generates anything."""
    return bool(dataset.sources) and all(source.local and not source.urls for source in dataset.sources)


def _damaged(file: Path) -> RequestError:
    return RequestError(f"{file} is damaged.", "Remove it, and fetch that dataset again.")


def _entry(name: str, folder: Path) -> Path:
    return folder / f"{name}.json"
