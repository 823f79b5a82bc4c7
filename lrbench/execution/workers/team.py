"""The processes that share a trial: the first one starts the others, and all of them meet.

The first process is the one that has the order. The others end when it ends, for any reason. If one of them
dies, the work of all of them is lost, and the trial goes on from its checkpoint. A failure of the trial
itself, such as a loss that is not finite, reaches every process. The first one then raises its own error.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import torch

from lrbench.execution.order import TrialOrder
from lrbench.team import ALONE, Team

__all__ = ["HelperDiedError", "HelperOrder", "assembled", "joined"]

_WAITS = timedelta(minutes=30)
"""How long a process waits for another live process before it gives up."""

_ENDS_WITHIN = 10.0  # seconds


class HelperOrder(TrialOrder):
    """The order that one of the other processes gets."""

    number: int
    """Its place in the team, from 1."""

    meeting: Path
    """The file through which the processes find each other."""

    resumes: bool
    """Whether the trial goes on from its checkpoint."""


class HelperDiedError(Exception):
    """The processes of a trial have lost each other; the text gives the exit code of one that has died."""


@contextmanager
def assembled(order: TrialOrder, resumes: bool) -> Iterator[Team]:
    """Start the other processes of a trial, if it has any, and yield the place of this one in the team.

    Args:
        order: the trial.
        resumes: whether it goes on from its checkpoint.

    Raises:
        HelperDiedError: the connection to another process is lost, or one was killed.
    """
    if order.processes == 1:
        yield ALONE
        return
    helpers: list[subprocess.Popen[str]] = []
    folder = tempfile.TemporaryDirectory(prefix="lrbench-")
    try:
        meeting = Path(folder.name) / "meeting"
        for number in range(1, order.processes):
            values = {name: getattr(order, name) for name in TrialOrder.model_fields}
            helpers.append(_started(HelperOrder(**values, number=number, meeting=meeting, resumes=resumes)))
        with joined(meeting, Team(0, order.processes), order.device) as team:
            yield team
    except RuntimeError as error:  # torch has no narrower class for a lost connection
        if _is_lost_connection(error) or any((helper.poll() or 0) < 0 for helper in helpers):
            raise HelperDiedError(_what_died(helpers)) from error
        raise
    finally:
        for helper in helpers:
            helper.kill()
            helper.communicate()
        folder.cleanup()


@contextmanager
def joined(meeting: Path, team: Team, device: str) -> Iterator[Team]:
    """Join the process group of the team within the block.

    Args:
        meeting: the file through which the processes find each other.
        team: this process's place.
        device: ``cpu`` or ``cuda``; each process sees one device.
    """
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    torch.distributed.init_process_group(
        backend,
        init_method=meeting.absolute().as_uri(),
        rank=team.number,
        world_size=team.count,
        timeout=_WAITS,
    )
    try:
        yield team
    finally:
        torch.distributed.destroy_process_group()


def _started(order: HelperOrder) -> "subprocess.Popen[str]":
    """Start one of the other processes. What it prints goes to the stderr of this one."""
    lent = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    own = {"CUDA_VISIBLE_DEVICES": lent[order.number]} if order.device == "cuda" else {}
    helper = subprocess.Popen(
        [sys.executable, "-m", "lrbench.execution.workers.helper"],
        stdin=subprocess.PIPE,
        env=os.environ | own,
        text=True,
    )
    assert helper.stdin is not None
    helper.stdin.write(order.model_dump_json() + "\n")
    helper.stdin.flush()
    return helper


def _is_lost_connection(error: RuntimeError) -> bool:
    """Whether the processes have lost each other. Errors of gloo have no class of their own."""
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error)


def _what_died(helpers: "Sequence[subprocess.Popen[str]]") -> str:
    """Say with which code another process ended. All of them together get 10 seconds to end.

    If one dies, the others lose it and end with an error of their own. So a signal is told first.
    """
    latest = time.monotonic() + _ENDS_WITHIN
    for helper in helpers:
        with suppress(subprocess.TimeoutExpired):
            helper.wait(max(0.0, latest - time.monotonic()))
    codes = [helper.returncode for helper in helpers if helper.returncode]
    how = f"ended with code {min(codes)}" if codes else "does not answer"
    return f"a process that shared it {how}"
