"""Every module can be imported where Unix's own modules do not exist."""

import subprocess
import sys

import pytest

PROBE = """
import importlib, pkgutil, sys
import filelock, httpx, matplotlib.pyplot, polars, pydantic, rich.live, scipy.stats, torch, typer
import torch.utils.checkpoint, torch.utils.flop_counter
import lrbench

sys.platform = "win32"
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None  # an import of it raises ImportError
for module in pkgutil.walk_packages(lrbench.__path__, "lrbench."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print("all imported")
"""


@pytest.mark.slow
def test_every_module_is_imported_on_windows() -> None:
    told = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    assert told.stdout.strip() == "all imported", told.stderr
