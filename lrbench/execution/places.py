"""Where a run's trials go: this machine, a Ray cluster, or Slurm.

Each place is checked before anything is written.
"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lrbench.errors import RequestError
from lrbench.execution.executor import Executor
from lrbench.execution.local_executor import LocalExecutor
from lrbench.execution.past_costs import PastCosts
from lrbench.execution.slots import Slot, choose_multi_gpu_slots, choose_slots
from lrbench.execution.workers.device_sharing import DeviceSharing
from lrbench.store.layout import Results
from lrbench.wording import counted

__all__ = ["LocalPlace", "Place", "RayPlace", "SlurmPlace", "parse_minutes"]


class Place(Protocol):
    """A place where trials run."""

    @property
    def device(self) -> str:
        """The device of its trials: ``cpu`` or ``cuda``."""

    @property
    def threads(self) -> int | None:
        """CPU threads of each trial; ``None``: the executor decides."""

    @property
    def processes(self) -> int:
        """How many processes share a trial, each with a GPU of its own; 1: none is shared."""

    def check(self) -> None:
        """Refuse trials that the place cannot run.

        Raises:
            RequestError: a GPU, a partition, a cluster or a library is missing.
        """

    def describe(self, trials: int) -> str:
        """Say what would train ``trials`` trials."""

    def open(self, results: Results, trials: int, past_costs: PastCosts) -> Executor:
        """Return an executor for ``trials`` trials. The caller closes it."""


@dataclass(frozen=True)
class LocalPlace:
    """This machine; the fields are as in :func:`lrbench.execution.slots.choose_slots`."""

    gpus: Sequence[int] = ()
    """Their numbers."""

    wanted_device: str | None = None
    workers: int | None = None
    threads: int | None = None
    trials_per_gpu: int | None = None
    pack: bool = False
    """Let as many trials share a GPU as its free memory holds."""

    processes: int = 1
    """GPUs of each trial."""

    @property
    def device(self) -> str:
        """The device of its trials."""
        return self.slots(trials=1)[0].device

    def slots(self, trials: int) -> list[Slot]:
        """Return where ``trials`` trials run.

        Raises:
            RequestError: there is no such GPU, or the options contradict each other.
        """
        if self.processes > 1:
            return choose_multi_gpu_slots(self.gpus, self.wanted_device, self.processes, self.threads)
        return choose_slots(
            self.gpus,
            self.wanted_device,
            self.workers,
            trials=trials,
            threads=self.threads,
            trials_per_gpu=self.trials_per_gpu,
            pack=self.pack,
        )

    def check(self) -> None:
        """Refuse GPUs that are not there."""
        self.slots(trials=1)

    def describe(self, trials: int) -> str:
        """Say how many workers there are."""
        slots = self.slots(trials)
        kind = "GPU worker" if slots[0].device == "cuda" else "CPU worker"
        each = " each" if len(slots) > 1 else ""
        if self.processes > 1:
            kind = f"worker on {self.processes} GPUs"
        return f"{counted(len(slots), kind)} with {counted(slots[0].threads, 'thread')}{each}"

    def open(self, results: Results, trials: int, past_costs: PastCosts) -> Executor:
        """Return an executor whose workers start with their first orders."""
        slots = self.slots(trials)
        if not self.pack:
            return LocalExecutor(slots[:trials])
        free = {name: _free_bytes(name) for name in {slot.name for slot in slots}}
        return LocalExecutor(slots, DeviceSharing(free, lambda order: past_costs.peak_bytes(order.config)))


@dataclass(frozen=True)
class RayPlace:
    """A Ray cluster whose nodes see the folders of results and data."""

    address: str
    device: str
    threads: int
    gpus_per_trial: float
    """A fraction lets trials share a GPU."""

    workers: int | None
    """How many trials are submitted at the same time; ``None``: all."""

    processes: int = 1
    """How many processes share a trial, each with a GPU of its own."""

    def check(self) -> None:
        """Connect to the cluster, and refuse trials that none of its nodes can run."""
        from lrbench.execution.remote.ray_tasks import check_cluster  # noqa: PLC0415

        check_cluster(self.address, self.threads, self.gpus_per_trial)

    def describe(self, trials: int) -> str:
        """Name the cluster and what a trial asks of it."""
        gpus = f" and {self.gpus_per_trial:g} GPU" if self.gpus_per_trial else ""
        return f"the Ray cluster at {self.address} with {counted(self.threads, 'CPU')}{gpus} for each trial"

    def open(self, results: Results, trials: int, past_costs: PastCosts) -> Executor:
        """Connect to the cluster."""
        from lrbench.execution.remote.ray_tasks import RayExecutor  # noqa: PLC0415

        return RayExecutor(results, self.address, self.threads, self.gpus_per_trial, self.workers)


@dataclass(frozen=True)
class SlurmPlace:
    """A Slurm cluster whose nodes see the folders of results and data."""

    partition: str | None
    minutes: int
    device: str
    threads: int
    gpus_per_trial: int
    workers: int | None
    """How many jobs of an array run at the same time; ``None``: as many as Slurm lets."""

    processes: int = 1
    """How many processes share a trial, each with a GPU of its own."""

    def check(self) -> None:
        """Ask Slurm whether it has the partition and enough GPUs in a node."""
        from lrbench.execution.remote.slurm_jobs import check_partition  # noqa: PLC0415

        check_partition(self.partition, self.gpus_per_trial)

    def describe(self, trials: int) -> str:
        """Name the partition and what a trial asks of it."""
        where = "Slurm" if self.partition is None else f"Slurm's partition {self.partition}"
        gpus = f" and {counted(self.gpus_per_trial, 'GPU')}" if self.gpus_per_trial else ""
        return f"{where} with {counted(self.threads, 'CPU')}{gpus} for each trial"

    def open(self, results: Results, trials: int, past_costs: PastCosts) -> Executor:
        """Return an executor. It submits jobs when it is polled."""
        from lrbench.execution.remote.slurm_jobs import SlurmExecutor  # noqa: PLC0415

        return SlurmExecutor(
            results, self.partition, self.minutes, self.threads, self.gpus_per_trial, self.workers
        )


def parse_minutes(text: str) -> int:
    """Read a time as Slurm writes it: ``90``, ``1:30:00``, ``2-12`` or ``2-12:00:00``; round up to minutes.

    Raises:
        RequestError: the text is no such time, or the time is zero.
    """
    found = re.fullmatch(r"(?:(\d{1,3})-)?(\d{1,6})(?::(\d{1,2}))?(?::(\d{1,2}))?", text, re.ASCII)
    if found is None:
        raise RequestError(f'--time: "{text}" is no time.', "Write minutes, H:MM:SS or D-HH:MM:SS.")
    days, first, second, third = (int(part or 0) for part in found.groups())
    if found[1] is not None:  # D-HH, D-HH:MM or D-HH:MM:SS
        seconds = ((days * 24 + first) * 60 + second) * 60 + third
    elif found[4] is not None:  # H:MM:SS
        seconds = (first * 60 + second) * 60 + third
    else:  # minutes, or minutes:seconds
        seconds = first * 60 + second
    if seconds == 0:
        raise RequestError("--time is zero.", "Give each job at least a minute.")
    return -(-seconds // 60)


def _free_bytes(gpu: str) -> int:
    """Return the free memory of a GPU. Asking torch would take some of it for this process."""
    query = ["nvidia-smi", f"--id={gpu}", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, check=True, capture_output=True, text=True, timeout=60).stdout
        return int(answer.strip()) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        raise RequestError(
            f"The free memory of GPU {gpu} is not known: nvidia-smi does not report it.",
            "Give --trials-per-gpu a number.",
        ) from None
