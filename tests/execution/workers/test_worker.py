"""The process that trains."""

import subprocess
import sys
from pathlib import Path

import pytest
from small_data import order, trial_config

PROBE = """
import torch
from lrbench.execution.workers import worker

def perform(order, send, stop_asked):
    torch.set_num_threads(2)
    tiny = torch.full((1 << 22,), 1e-30)  # enough for both threads to work on
    print(int((tiny * 1e-10).count_nonzero()), int((tiny * 1e-5).count_nonzero()), flush=True)
    return False

worker.perform = perform
worker.main()
"""


@pytest.mark.slow
def test_numbers_too_small_to_be_fast_are_zero_in_every_thread(tmp_path: Path) -> None:
    """Products of 1e-40 vanish, those of 1e-35 do not."""
    line = order(trial_config(), tmp_path, tmp_path).model_dump_json() + "\n"
    probe = [sys.executable, "-c", PROBE]
    with subprocess.Popen(probe, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stdin and worker.stderr
        worker.stdin.write(line)
        worker.stdin.flush()  # and stays open: the worker ends when it closes
        assert worker.stderr.readline().split() == ["0", str(1 << 22)]
