"""The record of an order that is done: of a trial, or of a search for settings."""

from contextlib import suppress

from lrbench.config.tuning import SearchConfig
from lrbench.errors import LrbenchError
from lrbench.execution.events import TrialDone
from lrbench.execution.order import TrialOrder
from lrbench.store.searches import SearchRecord, read_search
from lrbench.store.trials import TrialRecord, read_record

__all__ = ["done_event", "finished_record"]


def finished_record(order: TrialOrder) -> TrialRecord | SearchRecord | None:
    """Return the record of an order that is done, else ``None``.

    If only what was begun since a time counts, a record that is older, or that cannot be read, is still to be
    replaced.

    Raises:
        LrbenchError: the record cannot be read.
    """
    if order.since is None:
        return _record(order)
    with suppress(LrbenchError):
        record = _record(order)
        if record is not None and record.started >= order.since:
            return record
    return None


def _record(order: TrialOrder) -> TrialRecord | SearchRecord | None:
    results, name = order.results, order.config.id
    if isinstance(order.config, SearchConfig):
        return read_search(results, name) if results.search(name).exists() else None
    folder = results.trial(name)
    return read_record(folder) if folder.exists() else None


def done_event(record: TrialRecord | SearchRecord, seconds: float, found: bool = False) -> TrialDone:
    """Return the event that reports an order as done, with metrics on validation.

    Args:
        record: what the order wrote.
        seconds: how long it took this time.
        found: whether it was complete before this process began.
    """
    if isinstance(record, SearchRecord):
        metrics = {record.metric: record.best}
    else:
        metrics = record.metrics["valid"][str(record.depth)]
    return TrialDone(trial=record.id, seconds=seconds, metrics=metrics, found=found)
