"""What a dataset asks of rows: data that each row needs, and networks of matched controls fitted to it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lrbench.config.protocol import Protocol
from lrbench.data.dataset import PreparedDataset
from lrbench.data.sequences import Split
from lrbench.data.splitting import split
from lrbench.errors import RequestError
from lrbench.execution.planning.controls import QUANTITIES, Build, match
from lrbench.execution.rows import Row

__all__ = ["check_rows", "match_rows"]


def check_rows(rows: Sequence[Row], dataset: PreparedDataset) -> None:
    """Check rows against a dataset.

    Raises:
        RequestError: the protocol cannot split the dataset, or a row needs data that the dataset lacks.
    """
    protocols = {row.protocol.model_dump_json(): row.protocol for row in rows}
    views = {key: _split(dataset, protocol).train for key, protocol in protocols.items()}
    for row in rows:
        view = views[row.protocol.model_dump_json()]
        if row.config.needs_members and view.members is None:
            raise RequestError(
                f'"{row.label}" needs to know which user each interaction belongs to, and '
                f"{row.protocol.name} does not merge users into accounts.",
                'Use the protocol "shared-merge", or leave out the option that needs accounts.',
            )
        if row.config.needs_times and view.times is None:
            raise RequestError(
                f'"{row.label}" needs times of the interactions, and {dataset.record.name} has none '
                f"({dataset.record.source}).",
                "Fetch a form of the dataset with time-stamps, or leave out the option that needs them.",
            )
        if row.model.reads_titles and dataset.titles.null_count() == len(dataset.titles):
            raise RequestError(
                f'"{row.label}" reads titles of items, and {dataset.record.name} has none '
                f"({dataset.record.source}).",
                "Put the list of titles that the catalogue names into the mirror folder and fetch the "
                "dataset again, or choose a dataset with titles.",
            )


def match_rows(rows: Sequence[Row], dataset: PreparedDataset) -> tuple[Row, ...]:
    """Check rows against a dataset, and fit the networks of matched controls to it.

    Raises:
        RequestError: as in :func:`check_rows`, or a control cannot be matched.
    """
    check_rows(rows, dataset)
    by_label = {row.label: row for row in rows}
    return tuple(_matched(row, by_label, dataset) for row in rows)


def _split(dataset: PreparedDataset, protocol: Protocol) -> Split:
    """Split a dataset; an error names it."""
    try:
        return split(dataset.sequences, protocol.of(dataset.record.name))
    except RequestError as error:
        raise RequestError(f"{dataset.record.name}: {error.cause}", error.remedy) from None


def _matched(row: Row, by_label: Mapping[str, Row], dataset: PreparedDataset) -> Row:
    if row.control is None or row.control.control not in QUANTITIES:
        return row
    parent = by_label[row.control.of]
    build, record = match(
        row.label,
        row.control.control,
        Build(row.model_name, row.params),
        Build(parent.model_name, parent.params),
        dataset,
        row.protocol.of(dataset.record.name),
    )
    return replace(row, config=build.config, params=build.config.model_dump(mode="json"), match=record)
