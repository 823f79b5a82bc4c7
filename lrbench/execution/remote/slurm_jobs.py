"""Run trials as jobs of Slurm, submitted as arrays through submitit."""

import getpass
import subprocess
import time
from contextlib import suppress
from typing import Any

from lrbench.errors import LrbenchError, RequestError, not_installed
from lrbench.execution.events import Event, TrialDied
from lrbench.execution.order import TrialOrder
from lrbench.execution.remote.event_files import EventFiles
from lrbench.execution.remote.task import carried_environment, last_event, perform_order
from lrbench.files import write_text
from lrbench.store.layout import Results

__all__ = ["SlurmExecutor", "check_partition"]

_SECONDS_BETWEEN_LOOKS = 2.0
"""Slurm's manual asks users not to call squeue often."""

_MOST_TIMEOUTS = 100
"""How often a trial whose job runs out of time goes on in another job."""

_SIGNAL_SECONDS = 30
"""How many seconds before its time limit a job gets a signal, so that it can queue again."""


class SlurmExecutor:
    """The jobs of one run; see :class:`lrbench.execution.executor.Executor`.

    A job that is preempted, requeued or out of time goes on from the trial's checkpoint. Jobs also go on
    after this process ends. A later run with the same results folder finds them by the files that name them.

    Args:
        results: the folder of results, which the nodes see.
        partition: of the cluster; ``None``: its default.
        minutes: time limit of one job.
        threads: CPUs of each trial.
        gpus: GPUs of each trial.
        at_once: how many jobs run at the same time; ``None``: as many as Slurm lets. The first array may
            have more jobs, which go on without this process. Later ones only fill the places that are free.

    Raises:
        RequestError: submitit is not installed.
    """

    def __init__(
        self,
        results: Results,
        partition: str | None,
        minutes: int,
        threads: int,
        gpus: int,
        at_once: int | None,
    ) -> None:
        self._results = results
        self._folder = results.running("slurm")
        self._parameters = {
            "job_name": "lrbench",
            "partition": partition,
            "time": minutes,
            "cpus_per_task": threads,
            "gpus_per_node": gpus or None,
            "array_parallelism": at_once or 1000,
            "signal_delay_s": _SIGNAL_SECONDS,
            "additional_parameters": {"requeue": True},
        }
        self._at_once = at_once
        self._submitit = _submitit()
        self._new: list[TrialOrder] = []
        self._jobs: dict[str, Any] = {}  # trial → job
        self._absent: set[str] = set()  # trials whose job was not in the queue at the last look
        self._looked = 0.0
        self._events = EventFiles(results)

    @property
    def full(self) -> bool:
        """Whether ``at_once`` jobs are in the queue. The first array is queued whole."""
        if self._at_once is None or not self._jobs:
            return False
        return len(self._jobs) + len(self._new) >= self._at_once

    @property
    def fault(self) -> str | None:
        """``None``: if Slurm takes no jobs, submitting them fails."""
        return None

    def submit(self, order: TrialOrder) -> bool:
        """Take an order for the next array of jobs."""
        self._events.begin(order.config.id)
        self._new.append(order)
        return True

    def poll(self) -> list[Event]:
        """Submit new orders, and return what the trials report and how trials ended.

        Raises:
            LrbenchError: Slurm refuses the jobs, or does not answer.
        """
        if self._new:
            new, self._new = self._new, []
            self._begin(new)
        time.sleep(0.2)
        events = self._events.new(self._jobs)
        return events + self._ended()

    def stop(self) -> None:
        """Leave the jobs in Slurm's queue, where they go on without this process.

        Raises:
            KeyboardInterrupt: always.
        """
        raise KeyboardInterrupt

    def close(self) -> None:
        """Leave the jobs in Slurm's queue, and remove the folder of their files if it is empty."""
        with suppress(OSError):
            self._folder.rmdir()

    def _begin(self, orders: list[TrialOrder]) -> None:
        """Submit orders as one array, except those whose jobs are already in the queue."""
        queued = _queue()
        submitted = []
        for order in orders:
            name = self._results.job(order.config.id)
            job_id = name.read_text(encoding="utf-8", errors="replace").strip() if name.exists() else ""
            if job_id in queued:
                self._jobs[order.config.id] = self._submitit.SlurmJob(self._folder, job_id)
            else:
                submitted.append(order)
        if not submitted:
            return
        executor = self._submitit.SlurmExecutor(self._folder, max_num_timeout=_MOST_TIMEOUTS)
        executor.update_parameters(**{name: value for name, value in self._parameters.items() if value})
        own = {"alone": True}  # Slurm gives each job its own memory
        texts = [order.model_copy(update=own).model_dump_json() for order in submitted]
        try:
            jobs = executor.map_array(_Job(carried_environment()), texts)
        except self._submitit.helpers.FailedJobError as error:
            raise LrbenchError(
                f"Slurm refused the jobs: {_last_line(str(error))}.",
                "Correct --partition, --time or --threads, and run the same command again.",
            ) from error
        for script in self._folder.glob("*.sh"):  # Slurm has copied the script of the array
            script.unlink(missing_ok=True)
        for order, job in zip(submitted, jobs, strict=True):
            self._jobs[order.config.id] = job
            write_text(self._results.job(order.config.id), f"{job.job_id}\n")

    def _ended(self) -> list[Event]:
        """Return how jobs ended. An ended job has a result, or two looks did not find it in the queue."""
        events = [self._result(trial) for trial in list(self._jobs) if self._has_result(trial)]
        if time.monotonic() - self._looked < _SECONDS_BETWEEN_LOOKS or not self._jobs:
            return events
        queued, self._looked = _queue(), time.monotonic()
        absent = {trial for trial, job in self._jobs.items() if job.job_id not in queued}
        gone, self._absent = absent & self._absent, absent
        return events + [self._result(trial) for trial in gone]

    def _has_result(self, trial: str) -> bool:
        return bool(self._jobs[trial].paths.result_pickle.exists())

    def _result(self, trial: str) -> Event:
        """Return the last event of a job that has ended, and remove its files."""
        found, job = self._has_result(trial), self._jobs.pop(trial)
        try:
            if found:
                return last_event(job.result(), self._results)
            reason = f"the Slurm job {job.job_id} ended without a result"
            return TrialDied(trial=trial, reason=reason, details=job.stderr() or "")
        except (self._submitit.helpers.FailedJobError, self._submitit.helpers.UncompletedJobError) as error:
            reason = f"the Slurm job {job.job_id} failed: {_last_line(str(error))}"
            return TrialDied(trial=trial, reason=reason, details=str(error))
        finally:
            self._results.job(trial).unlink(missing_ok=True)
            for path in self._folder.glob(f"{job.job_id}_*"):
                path.unlink(missing_ok=True)


class _Job:
    """The function that a job runs. Submitit calls ``checkpoint`` before it queues the job again."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, text: str) -> str:
        return perform_order(text, self.environment)

    def checkpoint(self, text: str) -> Any:
        """Return what the job runs next time: the same order, which goes on from the trial's checkpoint."""
        return _submitit().helpers.DelayedSubmission(self, text)


def check_partition(partition: str | None, gpus: int) -> None:
    """Refuse a partition that Slurm does not have, and trials that no node of it can run.

    Raises:
        RequestError: submitit or Slurm is missing here, there is no such partition, or no node of it has
            ``gpus`` GPUs.
    """
    _submitit()
    nodes = [line.split("|") for line in _ask("sinfo", "--noheader", "--format=%R|%G").splitlines()]
    names = list(dict.fromkeys(name for name, _ in nodes))
    if partition is not None and partition not in names:
        raise RequestError(
            f'Slurm has no partition "{partition}".', f"Partitions: {', '.join(names) or 'none'}."
        )
    most = max((_gpus(gres) for name, gres in nodes if partition in (None, name)), default=0)
    if gpus > most:
        where = "Slurm" if partition is None else f'the partition "{partition}"'
        raise RequestError(
            f"A trial asks for {gpus} GPUs, and no node of {where} has more than {most}.",
            "Ask for fewer, or choose another partition.",
        )


def _gpus(gres: str) -> int:
    """Return the number of GPUs in what sinfo prints, such as ``gpu:a100:4(S:0),lustre:1``."""
    counts = [part.partition("(")[0].split(":") for part in gres.split(",")]
    return sum(int(count[-1]) for count in counts if count[0] == "gpu" and count[-1].isdecimal())


def _queue() -> set[str]:
    """Return the ids of this user's jobs that are waiting or running."""
    return set(_ask("squeue", "--noheader", "--array", "--format=%i", f"--user={getpass.getuser()}").split())


def _ask(*command: str) -> str:
    """Return what a command of Slurm prints.

    Raises:
        RequestError: there is no Slurm, or it does not answer.
    """
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    except FileNotFoundError:
        raise RequestError(
            f"There is no Slurm on this machine: the command {command[0]} is missing.",
            "Run this on a login node, or choose another --executor.",
        ) from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = _last_line(error.stderr) if isinstance(error.stderr, str) else ""
        raise RequestError(
            f"Slurm does not answer: {said or command[0]}.", "See whether sinfo works."
        ) from None


def _submitit() -> Any:
    try:
        import submitit  # noqa: PLC0415 - an extra
    except ImportError:
        raise not_installed("This needs", "submitit", "slurm") from None
    return submitit


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else ""
