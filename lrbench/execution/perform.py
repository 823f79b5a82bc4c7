"""Perform one order in this process: claim the trial or search, run it, and report what happens."""

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import torch

from lrbench.config.tuning import SearchConfig
from lrbench.execution.events import (
    Event,
    TrialBusy,
    TrialDied,
    TrialDone,
    TrialFailed,
    TrialNote,
    TrialStarted,
    TrialStopped,
)
from lrbench.execution.failures import record_failure
from lrbench.execution.finished import done_event, finished_record
from lrbench.execution.order import TrialOrder
from lrbench.execution.trial import run_trial
from lrbench.execution.tuning.search import run_search
from lrbench.execution.workers.team import HelperDiedError
from lrbench.files import append_line
from lrbench.machine import out_of_memory
from lrbench.store.claims import Claim, ClaimedError, claimed
from lrbench.training.news import EpochDone

__all__ = ["perform", "prepare_process"]

Send = Callable[[Event], None]


class _BusyError(Exception):
    """Another process works on the trial; the text says who."""


class _StoppedError(Exception):
    """The trial was asked to stop, and its checkpoint is written."""


def prepare_process() -> None:
    """Set floating-point behaviour for this process. Call it before torch starts threads, which inherit it.

    Numbers below 1e-38 become 0. Gradients of a contrastive loss near its minimum are that small. Without
    this setting they double the time of PLR's step on MovieLens-1M.
    """
    torch.set_flush_denormal(True)


def perform(order: TrialOrder, send: Send, stop_asked: Callable[[], bool] = lambda: False) -> bool:
    """Run one trial or search, or find it complete or busy.

    Only one process works on a trial. If another one does, the event says so, and nothing else happens.

    Args:
        order: the trial or search.
        send: called with every event; the last one is one of ``LAST_EVENTS``.
        stop_asked: whether to end after the next checkpoint.

    Returns:
        Whether this process can take another order. ``False`` after a failure or a request to stop.
    """
    try:
        with _claimed(order) as claim:
            send(_run(order, claim, send, stop_asked))
    except Exception as error:
        ending = _ending(order, error)
        send(ending)
        return isinstance(ending, TrialBusy)
    return True


def _run(order: TrialOrder, claim: Claim, send: Send, stop_asked: Callable[[], bool]) -> TrialDone:
    """Run a claimed trial or search. If it is complete by now, nothing runs."""
    trial_id = order.config.id

    def tell(event: Event) -> None:
        _append(event, order.results.events(trial_id))
        send(event)

    def watch(news: EpochDone) -> None:
        claim.check()
        tell(news)
        if stop_asked():
            raise _StoppedError

    started = time.perf_counter()
    if (found := finished_record(order)) is not None:
        return done_event(found, 0.0, found=True)
    tell(TrialStarted(trial=trial_id, device=order.device, device_bytes=_device_bytes(order.device)))
    run = run_search if isinstance(order.config, SearchConfig) else run_trial
    record = run(order, watch, lambda text: tell(TrialNote(trial=trial_id, text=text)))
    return done_event(record, time.perf_counter() - started)


def _device_bytes(device: str) -> int | None:
    """Return the memory of the smallest GPU that this process sees; ``None`` on the CPU or without a GPU."""
    if device == "cpu":
        return None
    gpus = range(torch.cuda.device_count())
    return min((torch.cuda.get_device_properties(number).total_memory for number in gpus), default=None)


def _ending(order: TrialOrder, error: Exception) -> TrialBusy | TrialStopped | TrialDied | TrialFailed:
    """Return the last event of an order that an error ended. A failure is recorded in the results."""
    trial_id = order.config.id
    match error:
        case _BusyError():
            return TrialBusy(trial=trial_id, reason=str(error))
        case ClaimedError():  # lost during training, e.g. while this process was suspended
            return TrialBusy(trial=trial_id, reason=f"{error} has taken it over")
        case _StoppedError():
            return TrialStopped(trial=trial_id)
        case HelperDiedError():
            return TrialDied(trial=trial_id, reason=str(error))
    if out_of_memory(error):
        words = "".join(traceback.format_exception(error))
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return TrialDied(trial=trial_id, reason=reason, details=words, out_of_memory=True)
    return record_failure(order.results, trial_id, error)


def _append(event: Event, path: Path) -> None:
    """Add an event to the trial's file.

    The file is opened each time, so that other machines see the line at once. Errors are ignored: if the
    disk is full, writing the checkpoint fails and says so.
    """
    with suppress(OSError):
        append_line(path, event.model_dump_json())


@contextmanager
def _claimed(order: TrialOrder) -> Iterator[Claim]:
    """Hold the locks of a trial within a block.

    Raises:
        _BusyError: another process works on the trial, or trains stages that it reuses.
    """
    results, config = order.results, order.config
    *begun, trained = (results.training_lock(training_id) for training_id in config.training_ids)
    trained.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            claim = held.enter_context(claimed(results.lock(config.id)))
        except ClaimedError as holder:
            raise _BusyError(f"{holder} works on it") from None
        try:
            for lock in begun:  # processes that train the first stages must have ended, see `reuse_stages`
                with claimed(lock):
                    pass
            held.enter_context(claimed(trained))
        except ClaimedError as holder:
            raise _BusyError(f"{holder} trains stages that it reuses") from None
        yield claim
