"""Several jobs at once, which an interrupt ends within a second whatever they wait for.

The threads are daemons. A thread that waits inside the system or a library cannot be ended from outside. The
program therefore does not wait for such a thread, which ends with the process.
"""

from collections.abc import Callable, Mapping, Sequence
from queue import Empty, Queue, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import TypeVar

from lrbench.data.listener import Listener
from lrbench.errors import LrbenchError

__all__ = ["run_at_once"]

_AT_ONCE = 4
_HEED_INTERRUPTS = 0.2  # seconds
_GRACE = 0.5  # seconds that interrupted threads have to release locks and files

ResultT = TypeVar("ResultT")


def run_at_once(
    jobs: Mapping[str, Callable[[Listener], ResultT]], listener: Listener
) -> dict[str, "ResultT | LrbenchError"]:
    """Run jobs on a few threads. One that fails for a known reason does not stop the others.

    Args:
        jobs: the jobs by name. Each gets a listener that passes everything on and raises once all must stop.
        listener: gets the progress of all jobs.

    Returns:
        For each name, in the order of ``jobs``, what the job returned or the error that it raised.
    """
    stop = Event()
    watched = _Interruptible(listener, stop)
    waiting: SimpleQueue[str] = SimpleQueue()
    for name in jobs:
        waiting.put(name)
    finished: Queue[tuple[str, ResultT | BaseException]] = Queue()

    def work() -> None:
        while not stop.is_set():
            try:
                name = waiting.get_nowait()
            except Empty:
                return
            try:
                finished.put((name, jobs[name](watched)))
            except BaseException as error:  # raised where the jobs were started
                finished.put((name, error))

    threads = [Thread(target=work, daemon=True) for _ in range(min(_AT_ONCE, len(jobs)))]
    for thread in threads:
        thread.start()
    try:
        outcomes = _collected(finished, len(jobs))
    except BaseException:
        stop.set()
        _join(threads, _GRACE)
        raise
    return {name: outcomes[name] for name in jobs}


def _collected(
    finished: "Queue[tuple[str, ResultT | BaseException]]", number: int
) -> dict[str, "ResultT | LrbenchError"]:
    """Wait for a number of jobs, and return what each returned or the known error that it raised.

    Raises:
        BaseException: a job raised an error that is not known, or the wait was interrupted.
    """
    outcomes: dict[str, ResultT | LrbenchError] = {}
    while len(outcomes) < number:
        try:
            name, outcome = finished.get(timeout=_HEED_INTERRUPTS)
        except Empty:  # interrupt handlers of other libraries do not end a wait; its timeout does
            continue
        if isinstance(outcome, BaseException) and not isinstance(outcome, LrbenchError):
            raise outcome
        outcomes[name] = outcome
    return outcomes


def _join(threads: Sequence[Thread], seconds: float) -> None:
    """Wait for threads to end, but not longer than some seconds in all."""
    end = monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - monotonic()))


class _Interruptible:
    """Passes everything on, and raises in the threads of the jobs once they must stop."""

    def __init__(self, listener: Listener, stop: Event) -> None:
        self._listener = listener
        self._stop = stop

    def say(self, message: str) -> None:
        self._heed()
        self._listener.say(message)

    def advance(self, name: str, done: int, total: int | None) -> None:
        self._heed()
        self._listener.advance(name, done, total)

    def idle(self) -> None:
        self._heed()
        self._listener.idle()

    def pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise KeyboardInterrupt

    def _heed(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
