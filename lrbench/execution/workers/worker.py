"""A worker process: it takes orders as JSON lines on stdin, and reports events as JSON lines on stdout.

It runs many trials, so that imports and the set-up of the device are needed once. After a failure it ends, so
that the next trial starts in a new process. The line ``stop`` ends it after the next checkpoint. It ends at
once when its parent ends, which closes stdin; checkpoints remain. Everything that a model prints goes to
stderr.
"""

import os
import queue
import sys
import threading

from lrbench.execution.order import TrialOrder
from lrbench.execution.perform import perform, prepare_process

__all__ = ["main"]


def main() -> None:
    """Perform orders until stdin closes, a trial fails, or the worker is asked to stop."""
    prepare_process()
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    orders: queue.SimpleQueue[TrialOrder] = queue.SimpleQueue()
    stopping = threading.Event()
    threading.Thread(target=_read_orders, args=(orders, stopping), daemon=True).start()
    while perform(orders.get(), lambda event: print(event.model_dump_json(), file=events), stopping.is_set):
        pass


def _read_orders(orders: "queue.SimpleQueue[TrialOrder]", stopping: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "stop":
            stopping.set()
        else:
            orders.put(TrialOrder.model_validate_json(line))
    os._exit(0)  # the parent has ended; the next run goes on from the checkpoint


if __name__ == "__main__":
    main()
