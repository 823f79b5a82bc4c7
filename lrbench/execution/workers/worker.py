"""A worker process: takes orders as JSON lines on stdin, reports events as JSON lines on stdout.

It lives through many trials, so that imports and device set-up are paid once; after a failure it
ends, so that the next trial starts clean. It ends at once when its parent does (stdin closes),
leaving checkpoints to resume from. Whatever a model prints goes to stderr.
"""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable

import torch
from filelock import FileLock

from lrbench.execution.events import EpochDone, Event, TrialDone, TrialFailed, TrialStarted
from lrbench.execution.trial import TrialOrder, record_failure, run_trial
from lrbench.store.trials import TrialRecord, read_record

__all__ = ["main", "perform"]

Send = Callable[[Event], None]


def perform(order: TrialOrder, send: Send) -> bool:
    """Run one trial, or find it complete; return whether it is complete now.

    Only one process works on a trial: a second one waits for it and then finds it complete.
    """
    trial_id, folder = order.config.id, order.results.trial(order.config.id)
    lock_file = order.results.lock(trial_id)
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    *begun, trained = (order.results.lock(f"training-{name}") for name in order.config.training_ids)
    for training_lock in begun:  # whoever trains this trial's first stages shall end, see `take_over`
        with FileLock(training_lock):
            pass
    with FileLock(lock_file), FileLock(trained):
        started = time.perf_counter()
        try:
            if folder.exists() and not order.fresh:
                send(_done(read_record(folder), 0.0, found=True))
                return True
            send(TrialStarted(trial=trial_id, device=order.device))
            record = run_trial(order, lambda report: send(EpochDone(trial=trial_id, **vars(report))))
        except Exception as error:
            path = record_failure(order, error)
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            send(TrialFailed(trial=trial_id, reason=reason, error_file=str(path)))
            return False
        send(_done(record, time.perf_counter() - started))
        return True


def main() -> None:
    """Serve orders until stdin closes."""
    # Numbers below 1e-38 are taken for 0: gradients of a contrast that is as good as won are so, and they
    # double the time of PLR's step on MovieLens-1M. Threads inherit this when they start, so it comes first.
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
    os._exit(0)  # nobody is left to report to; a trial under way goes on from its checkpoint next time


def _done(record: TrialRecord, seconds: float, found: bool = False) -> TrialDone:
    metrics = record.metrics["test"][str(record.depth)]
    return TrialDone(trial=record.id, seconds=seconds, metrics=metrics, found=found)


if __name__ == "__main__":
    main()
