"""Processes that tests start: each is ended after a time of its own, whatever its test waits for."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Timer

LONGEST = 120.0
"""Seconds after which a process is killed, with all of its session."""


def start(
    command: Sequence[str],
    folder: Path,
    environment: dict[str, str],
    *,
    longest: float = LONGEST,
    stdout: int = subprocess.PIPE,
) -> "subprocess.Popen[str]":
    """Start a command in a session of its own.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        environment: its variables.
        longest: seconds after which it is killed. Its output then ends, and a test that reads it goes on.
        stdout: where its output goes; stderr is always a pipe.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    watchdog = Timer(longest, kill, [process])
    watchdog.daemon = True
    watchdog.start()
    return process


def kill(process: "subprocess.Popen[str]") -> None:
    """Kill a process and its session if it runs. The number of an ended one may belong to another process."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()


def ended(process: "subprocess.Popen[str]", seconds: float) -> tuple[int, str, str]:
    """Wait for the end of a process; return its exit code, its output and its messages.

    A process that needs longer is killed, and the test fails with what it said.
    """
    try:
        out, messages = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        _, messages = process.communicate(timeout=30)
        raise AssertionError(f"it did not end within {seconds:g} s; it said: {messages}") from None
    return process.returncode, out or "", messages
