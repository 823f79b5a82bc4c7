"""Run trials as tasks of a Ray cluster whose nodes see the folder of results."""

import logging
import secrets
import socket
from typing import Any

from lrbench.errors import RequestError, not_installed
from lrbench.execution.events import Event, TrialDied
from lrbench.execution.order import TrialOrder
from lrbench.execution.remote.event_files import EventFiles
from lrbench.execution.remote.task import carried_environment, last_event, perform_order
from lrbench.store.layout import Results

__all__ = ["RayExecutor", "check_cluster"]

_LARGEST_PORT = 65_535  # a larger one would be taken modulo 65,536, where another program may listen
_CONNECT_SECONDS = 5.0


class RayExecutor:
    """The tasks of one run; see :class:`lrbench.execution.executor.Executor`.

    Ray starts a task on a node with free CPUs and GPUs. It ends the tasks of this process if this process
    dies. If a node or a task's process dies, the scheduler begins the trial again, not Ray. The number of
    attempts is then limited in the same way for every executor.

    Args:
        results: the folder of results.
        address: of the cluster: ``auto`` for that of this machine, or ``host:port``.
        threads: CPUs of each trial.
        gpus: GPUs of each trial; a fraction lets trials share one.
        at_once: how many trials are submitted at the same time; ``None``: all.

    Raises:
        RequestError: Ray is not installed, or nothing answers at the address.
    """

    def __init__(
        self, results: Results, address: str, threads: int, gpus: float, at_once: int | None
    ) -> None:
        self._ray: Any = _connected(address)
        options = {"num_cpus": threads, "num_gpus": gpus, "max_retries": 0}
        self._task = self._ray.remote(_perform).options(**options)
        self._own_gpus = gpus >= 1
        self._at_once = at_once
        self._results = results
        self._stop_file = results.running(f".stop-{secrets.token_hex(4)}")
        self._tasks: dict[Any, str] = {}  # reference → trial
        self._events = EventFiles(results)

    @property
    def full(self) -> bool:
        """Whether ``at_once`` trials are submitted and not ended."""
        return self._at_once is not None and len(self._tasks) >= self._at_once

    @property
    def fault(self) -> str | None:
        """Why the cluster can take no order."""
        return None if self._ray.is_initialized() else "the connection to the Ray cluster is lost"

    def submit(self, order: TrialOrder) -> bool:
        """Submit a task."""
        self._events.begin(order.config.id)
        order = order.model_copy(update={"alone": self._own_gpus})
        task = self._task.remote(order.model_dump_json(), carried_environment(), str(self._stop_file))
        self._tasks[task] = order.config.id
        return True

    def poll(self) -> list[Event]:
        """Return what the trials report, and how trials ended."""
        ended: list[Any] = []
        if self._tasks:
            ended, _ = self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0.2)
        events = self._events.new(self._tasks.values())
        return events + [self._last_event(task, self._tasks.pop(task)) for task in ended]

    def stop(self) -> None:
        """Ask all trials to end after their next checkpoint: create a file that they look for."""
        self._stop_file.parent.mkdir(parents=True, exist_ok=True)
        self._stop_file.touch()

    def close(self) -> None:
        """Leave the cluster, which ends the tasks of this process."""
        self._ray.shutdown()
        self._stop_file.unlink(missing_ok=True)

    def _last_event(self, task: Any, trial: str) -> Event:
        try:
            return last_event(self._ray.get(task), self._results)
        except self._ray.exceptions.OutOfMemoryError:
            reason = "Ray ended its process as the node ran out of memory"
            return TrialDied(trial=trial, reason=reason, out_of_memory=True)
        except self._ray.exceptions.RayError as error:
            reason = f"its Ray task died ({type(error).__name__})"
            return TrialDied(trial=trial, reason=reason, details=str(error))


def _perform(text: str, environment: dict[str, str], stop_file: str) -> str:
    """Perform an order in a process of Ray."""
    from pathlib import Path  # noqa: PLC0415 - Ray sends this function by name; its module may not be loaded

    from lrbench.execution.events import TrialStopped  # noqa: PLC0415

    stop = Path(stop_file)
    if stop.exists():
        return TrialStopped(trial=TrialOrder.model_validate_json(text).config.id).model_dump_json()
    return perform_order(text, environment, stop.exists)


def _connected(address: str) -> Any:
    """Connect to a running cluster, and return the module ``ray``."""
    remedy = "Start one with ray start --head, or give the address that it printed: --address HOST:6379"
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address != "auto":
        if not (colon and host and port.isdecimal() and int(port[:6]) <= _LARGEST_PORT):
            raise RequestError(f'--address: "{address}" is no address.', "Write auto or HOST:PORT.")
        try:
            socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
        except (OSError, OverflowError):
            raise RequestError(f"No Ray cluster answers at {address}.", remedy) from None
    try:
        import ray  # noqa: PLC0415 - slow to import, and an extra
    except ImportError:
        raise not_installed("This needs", "Ray", "ray") from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError):
        raise RequestError(f'No Ray cluster is found at the address "{address}".', remedy) from None
    return ray


def check_cluster(address: str, threads: int, gpus: float) -> None:
    """Refuse a cluster that is not there, and trials that none of its nodes can ever run.

    Raises:
        RequestError: Ray is not installed, nothing answers at the address, or no node is large enough.
    """
    ray = _connected(address)
    try:
        _check_size(ray.nodes(), threads, gpus)
    finally:
        ray.shutdown()


def _check_size(nodes: list[dict[str, Any]], threads: int, gpus: float) -> None:
    sizes = [node["Resources"] for node in nodes if node["Alive"]]
    if any(size.get("CPU", 0) >= threads and size.get("GPU", 0) >= gpus for size in sizes):
        return
    most_cpus, most_gpus = (int(max(size.get(kind, 0) for size in sizes)) for kind in ("CPU", "GPU"))
    raise RequestError(
        f"No node of the Ray cluster has {threads} CPUs and {gpus:g} GPUs for a trial.",
        f"No node has more than {most_cpus} CPUs, or more than {most_gpus} GPUs.",
    )
