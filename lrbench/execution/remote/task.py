"""Perform one order on another machine, and answer with the event that says how it ended."""

import os
import socket
from collections.abc import Callable, Mapping

from lrbench.execution.events import Event, TrialFailed, parse_event
from lrbench.execution.failures import record_failure
from lrbench.execution.order import TrialOrder
from lrbench.execution.perform import perform, prepare_process
from lrbench.plugins import PLUGINS
from lrbench.store.layout import Results

__all__ = ["carried_environment", "last_event", "perform_order"]


def carried_environment() -> dict[str, str]:
    """Return the variables that a trial on another machine needs."""
    return {name: os.environ[name] for name in (PLUGINS,) if name in os.environ}


def perform_order(
    text: str, environment: Mapping[str, str], stop_asked: Callable[[], bool] = lambda: False
) -> str:
    """Perform an order in this process.

    Args:
        text: the order as JSON.
        environment: variables to set first.
        stop_asked: whether to end after the next checkpoint.

    Returns:
        The event with which the trial ended, as JSON.
    """
    os.environ.update(environment)
    order = TrialOrder.model_validate_json(text)
    for folder in (order.results_folder, order.dataset_folder):
        if not folder.is_dir():
            reason = (
                f"the machine {socket.gethostname()} does not see the folder {folder}, which must be shared"
            )
            return TrialFailed(trial=order.config.id, reason=reason, error_file=None).model_dump_json()
    prepare_process()
    events: list[Event] = []
    perform(order, events.append, stop_asked)
    return events[-1].model_dump_json()


def last_event(text: str, results: Results) -> Event:
    """Read the answer of another machine, and write ``error.txt`` if that machine could not."""
    event = parse_event(text)
    if isinstance(event, TrialFailed) and event.error_file is None:
        return record_failure(results, event.trial, event.reason)
    return event
