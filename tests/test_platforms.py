"""The package works where Unix's own modules, signals and calls do not exist."""

import subprocess
import sys

import pytest

PRETEND = """
import importlib, os, pkgutil, signal, sys
import filelock, httpx, matplotlib.pyplot, polars, pydantic, rich.live, scipy.stats, torch, typer
import torch.utils.checkpoint, torch.utils.flop_counter
import lrbench

sys.platform = "win32"
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None  # an import of it raises ImportError
for module, names in {
    signal: "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGTSTP SIGUSR1 SIGUSR2 pthread_sigmask",
    os: "fork getpgid getuid killpg mkfifo nice sched_getaffinity setsid statvfs uname",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""
"""What Windows lacks is taken away, after the libraries were imported that know both systems."""

IMPORTS = """
for module in pkgutil.walk_packages(lrbench.__path__, "lrbench."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print("all imported")
"""

COMMANDS = """
from lrbench.cli.process import run_process
requests = "list suites", "list models sasrec", "status"
codes = [run_process(request.split()) for request in requests]
print("exit codes", codes)
"""


def pretended(code: str, *arguments: str) -> str:
    """Run code where what Windows lacks is missing, and return what it printed."""
    command = [sys.executable, "-c", PRETEND + code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_module_is_imported_on_windows() -> None:
    assert pretended(IMPORTS).strip() == "all imported"


@pytest.mark.slow
def test_commands_run_on_windows(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one is a wrong request: there are no results."""
    monkeypatch.chdir(tmp_path)
    assert pretended(COMMANDS).splitlines()[-1] == "exit codes [0, 0, 2]"
