"""The record of an order that is done: of a trial, or of a search for settings."""

from lrbench.config.tuning import SearchConfig
from lrbench.execution.events import TrialDone
from lrbench.execution.order import TrialOrder
from lrbench.store.searches import SearchRecord, read_search
from lrbench.store.trials import TrialRecord, read_record

__all__ = ["done_event", "finished_record"]


def finished_record(order: TrialOrder) -> TrialRecord | SearchRecord | None:
    """Return the record of an order that is done, else ``None``.

    Raises:
        LrbenchError: the record cannot be read.
    """
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
