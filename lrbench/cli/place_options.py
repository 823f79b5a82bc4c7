"""From the options of ``lrbench run`` to the place where trials run."""

from dataclasses import dataclass
from typing import Literal

from lrbench.errors import RequestError
from lrbench.execution.places import LocalPlace, Place, RayPlace, SlurmPlace, parse_minutes

__all__ = ["PlaceOptions", "make_place"]

_JOB_MINUTES = "60"
_MOST_PER_GPU = 64


@dataclass(frozen=True)
class PlaceOptions:
    """The options as given; ``None``: not given."""

    executor: Literal["local", "ray", "slurm"] = "local"
    gpus: tuple[int, ...] = ()
    device: str | None = None
    workers: int | None = None
    threads: int | None = None
    trials_per_gpu: str | None = None
    gpus_per_trial: int | None = None
    address: str | None = None
    partition: str | None = None
    time: str | None = None


def make_place(options: PlaceOptions) -> Place:
    """Return the place that the options describe. It is not checked yet, see :meth:`Place.check`.

    Raises:
        RequestError: an option belongs to another executor, or its value is wrong.
    """
    _refuse_others(options)
    processes = options.gpus_per_trial or 1
    if processes > 1:
        _check_shared(options)
    per_gpu = _trials_per_gpu(options.trials_per_gpu)
    if options.executor == "local":
        return LocalPlace(
            options.gpus, options.device, options.workers, options.threads, per_gpu, per_gpu == 0, processes
        )
    device, threads = options.device or "cpu", options.threads or 1
    if options.executor == "ray":
        gpus = processes / (per_gpu or 1) if device == "cuda" else 0.0
        return RayPlace(options.address or "auto", device, threads, gpus, options.workers, processes)
    minutes = parse_minutes(options.time or _JOB_MINUTES)
    gpus = processes if device == "cuda" else 0
    return SlurmPlace(options.partition, minutes, device, threads, gpus, options.workers, processes)


def _check_shared(options: PlaceOptions) -> None:
    """Refuse options that contradict several GPUs for a trial."""
    if options.trials_per_gpu:
        raise RequestError(
            "--gpus-per-trial and --trials-per-gpu contradict each other.", "Leave one of them out."
        )
    if options.executor == "local" and options.workers:
        raise RequestError(
            "--workers and --gpus-per-trial contradict each other.",
            "Leave --workers out: there is one worker for each group of GPUs.",
        )
    if options.executor != "local" and options.device != "cuda":
        raise RequestError("--gpus-per-trial needs GPUs.", "Give --device cuda too.")


def _refuse_others(options: PlaceOptions) -> None:
    """Refuse options that mean nothing to the executor."""
    given = {
        "--gpus": (options.gpus, ("local",)),
        "--trials-per-gpu": (options.trials_per_gpu, ("local", "ray")),
        "--address": (options.address, ("ray",)),
        "--partition": (options.partition, ("slurm",)),
        "--time": (options.time, ("slurm",)),
    }
    for option, (value, executors) in given.items():
        if value and options.executor not in executors:
            instead = "--device cuda" if option == "--gpus" else f"--executor {executors[-1]}"
            raise RequestError(
                f"{option} means nothing to --executor {options.executor}.",
                f"Leave it out, or give {instead}.",
            )
    if options.executor == "ray" and options.trials_per_gpu == "auto":
        raise RequestError(
            "--trials-per-gpu auto measures this machine's GPUs, not those of a cluster.", "Give a number."
        )


def _trials_per_gpu(text: str | None) -> int | None:
    """Read ``auto`` or a number; ``auto`` is returned as 0."""
    if text is None or text == "auto":
        return None if text is None else 0
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= _MOST_PER_GPU and len(text) < 4):
        raise RequestError(
            f'--trials-per-gpu: "{text}" is neither auto nor a number from 1 to {_MOST_PER_GPU}.',
            "Write auto or 2.",
        )
    return int(text)
