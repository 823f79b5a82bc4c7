"""Decide where trials run on this machine: in slots, each a share of a GPU or of the cores."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

from lrbench.errors import RequestError
from lrbench.machine import available_cores

__all__ = ["Slot", "choose_multi_gpu_slots", "choose_slots"]


@dataclass(frozen=True)
class Slot:
    """Where one worker runs."""

    device: str
    """``cpu``, or ``cuda``: the worker then sees only the GPUs of its slot."""

    threads: int
    environment: dict[str, str] = field(default_factory=dict)
    """Variables for the worker, added to those of this process."""

    name: str = "cpu"
    """The device's name on this machine. Slots with the same name share its memory."""


def choose_slots(
    gpus: Sequence[int],
    device: str | None,
    workers: int | None,
    *,
    trials: int,
    threads: int | None = None,
    trials_per_gpu: int | None = None,
    pack: bool = False,
) -> list[Slot]:
    """Decide where trials run.

    Args:
        gpus: GPU numbers.
        device: ``cpu`` or ``cuda``. With ``cuda`` alone, the first GPU is used. ``None``: the GPUs of
            ``gpus``, or the CPU if there are none.
        workers: worker processes, which share the cores and are spread over the GPUs. ``None``: as
            ``trials_per_gpu`` says, or on the CPU one per core, but not more than there are trials.
        trials: how many trials there are.
        threads: CPU threads of each worker; ``None``: its share of the cores.
        trials_per_gpu: workers of each GPU; ``None``: one.
        pack: give each GPU as many workers as its share of the cores. Its memory then decides how many of
            them train at the same time, see :class:`lrbench.execution.workers.device_sharing.DeviceSharing`.

    Raises:
        RequestError: there is no such GPU, or the options contradict each other.
    """
    cores = available_cores()
    if (pack or trials_per_gpu) and not gpus and device != "cuda":
        raise RequestError("--trials-per-gpu needs GPUs.", "Give --gpus or --device cuda too.")
    if (pack or trials_per_gpu) and workers:
        raise RequestError("--workers and --trials-per-gpu contradict each other.", "Leave one of them out.")
    if device == "cpu" and gpus:
        raise RequestError("--device cpu and --gpus contradict each other.", "Leave one of them out.")
    if gpus or device == "cuda":
        wanted = list(dict.fromkeys(gpus)) or [0]
        _check_gpus(wanted)
        each = max(1, cores // len(wanted)) if pack else trials_per_gpu or 1
        count = workers or each * len(wanted)
        threads, numbers = threads or max(1, cores // count), islice(cycle(wanted), count)
        names = [_device_name(number) for number in numbers]
        return [Slot("cuda", threads, _only_gpus(name), name) for name in names]
    count = workers or min(cores, max(trials, 1))
    threads = threads or max(1, cores // count)
    return [Slot("cpu", threads, {"OMP_NUM_THREADS": str(threads)}) for _ in range(count)]


def choose_multi_gpu_slots(
    gpus: Sequence[int], device: str | None, each: int, threads: int | None = None
) -> list[Slot]:
    """Decide where trials run if each of them has several GPUs.

    Args:
        gpus: GPU numbers; empty: the first ``each``.
        device: ``cuda`` or ``None``; without GPU numbers it must be ``cuda``.
        each: GPUs of a trial, at least two.
        threads: CPU threads of each process of a trial; ``None``: its share of the cores.

    Raises:
        RequestError: there are too few GPUs, or their number is no multiple of ``each``.
    """
    if device == "cpu" or not (gpus or device == "cuda"):
        raise RequestError("--gpus-per-trial needs GPUs.", "Give --gpus or --device cuda too.")
    wanted = list(dict.fromkeys(gpus)) or list(range(each))
    if (there := _count_gpus()) == 0:
        _check_gpus(wanted)
    if each > min(there, len(wanted)):
        have = "--gpus names" if there >= each else "this machine has"
        raise RequestError(
            f"A trial asks for {each} GPUs, and {have} {min(there, len(wanted))}.",
            "Ask for fewer with --gpus-per-trial.",
        )
    _check_gpus(wanted)
    if len(wanted) % each:
        raise RequestError(
            f"{len(wanted)} GPUs cannot be divided among trials with {each} each.",
            f"Give --gpus a multiple of {each}.",
        )
    threads = threads or max(1, available_cores() // len(wanted))
    names = [_device_name(number) for number in wanted]
    groups = [",".join(names[first : first + each]) for first in range(0, len(names), each)]
    return [Slot("cuda", threads, _only_gpus(group), group) for group in groups]


def _count_gpus() -> int:
    import torch  # noqa: PLC0415 - slow to import, and needed only where GPUs are asked for

    return torch.cuda.device_count()


def _check_gpus(wanted: Sequence[int]) -> None:
    there = _count_gpus()
    missing = [number for number in wanted if not 0 <= number < there]
    if missing:
        have = f"this machine has {there} (0 to {there - 1})" if there else "this machine has none"
        remedy = "Choose others with --gpus, or run with --device cpu."
        if not there:
            remedy = "Leave out the options for GPUs."
        raise RequestError(f"There is no GPU {missing[0]}: {have}.", remedy)


def _device_name(number: int) -> str:
    """Return the physical id of a GPU. If CUDA_VISIBLE_DEVICES is set, numbers index its list."""
    lent = os.environ.get("CUDA_VISIBLE_DEVICES")
    return lent.split(",")[number].strip() if lent else str(number)


def _only_gpus(names: str) -> dict[str, str]:
    """Return the environment of a worker that sees these GPUs only, by the numbers of ``nvidia-smi``.

    By itself CUDA calls the fastest GPU 0, and ``nvidia-smi`` the first one on the bus.
    """
    order = os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    return {"CUDA_DEVICE_ORDER": order, "CUDA_VISIBLE_DEVICES": names}
