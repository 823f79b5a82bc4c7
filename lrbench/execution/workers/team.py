"""The processes that share a trial: the first one starts the others, and all of them meet.

The first process is the one that has the order. The others end when it ends, for any reason. If one of them
dies, the work of all of them is lost, and the trial goes on from its checkpoint.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
    """A process that shared the trial has died; the text gives its exit code."""


@contextmanager
def assembled(order: TrialOrder, resumes: bool) -> Iterator[Team]:
    """Start the other processes of a trial, if it has any, and yield the place of this one in the team.

    Args:
        order: the trial.
        resumes: whether it goes on from its checkpoint.

    Raises:
        HelperDiedError: one of the processes died.
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
    except Exception as error:
        codes = [code for helper in helpers if (code := _ended(helper)) not in (0, None)]
        if codes:
            raise HelperDiedError(f"a process that shared it ended with code {codes[0]}") from error
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


def _ended(helper: "subprocess.Popen[str]") -> int | None:
    """Return the exit code of a process that ends by itself within 10 seconds; ``None``: it does not."""
    try:
        return helper.wait(_ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        return None
