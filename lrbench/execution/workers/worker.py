"""A worker process: takes orders as JSON lines on stdin, reports events as JSON lines on stdout.

It runs many trials, so that imports and device set-up are paid once. After a failure it ends, so that the
next trial starts in a fresh process. It ends at once when its parent does (stdin closes); checkpoints
remain. Whatever a model prints goes to stderr.
"""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from filelock import FileLock, Timeout

from lrbench.execution.events import Event, TrialBusy, TrialNote, TrialStarted, trial_done
from lrbench.execution.failures import record_failure
from lrbench.execution.trial import TrialOrder, run_trial
from lrbench.store.trials import read_record

__all__ = ["main", "perform"]

Send = Callable[[Event], None]


def perform(order: TrialOrder, send: Send) -> bool:
    """Run one trial, or find it complete or busy; return whether this process can go on.

    Only one process works on a trial. If another one does, the event says so, and nothing else happens.
    """
    trial_id, folder = order.config.id, order.results.trial(order.config.id)
    try:
        with _claimed(order) as reason:
            if reason:
                send(TrialBusy(trial=trial_id, reason=reason))
                return True
            started = time.perf_counter()
            if folder.exists() and not order.fresh:
                send(trial_done(read_record(folder), 0.0, found=True))
                return True
            send(TrialStarted(trial=trial_id, device=order.device))
            record = run_trial(order, send, lambda text: send(TrialNote(trial=trial_id, text=text)))
            send(trial_done(record, time.perf_counter() - started))
            return True
    except Exception as error:
        send(record_failure(order.results, trial_id, error))
        return False


@contextmanager
def _claimed(order: TrialOrder) -> Iterator[str]:
    """Hold the locks of a trial within a block; yield why that is impossible, or an empty string."""
    results, config = order.results, order.config
    *begun, trained = (results.training_lock(training_id) for training_id in config.training_ids)
    trained.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(results.lock(config.id), timeout=0))
        except Timeout:
            yield "another process works on it"
            return
        try:
            for lock in begun:  # whoever trains the first stages has to end, see `reuse_stages`
                with FileLock(lock, timeout=0):
                    pass
            held.enter_context(FileLock(trained, timeout=0))
        except Timeout:
            held.close()
            yield "another process trains stages that it reuses"
            return
        yield ""


def main() -> None:
    """Serve orders until stdin closes."""
    # Numbers below 1e-38 become 0. Gradients of a contrast that is nearly won are so small, and they double
    # the time of PLR's step on MovieLens-1M. Threads inherit this when they start, so it comes first.
    torch.set_flush_denormal(True)
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    orders: queue.SimpleQueue[TrialOrder] = queue.SimpleQueue()
    threading.Thread(target=_read_orders, args=(orders,), daemon=True).start()
    while perform(orders.get(), lambda event: print(event.model_dump_json(), file=events)):
        pass


def _read_orders(orders: "queue.SimpleQueue[TrialOrder]") -> None:
    for line in sys.stdin:
        orders.put(TrialOrder.model_validate_json(line))
    os._exit(0)  # nobody listens any more; the next run goes on from the checkpoint


if __name__ == "__main__":
    main()
