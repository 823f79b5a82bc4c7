"""No process of a test outlives its time."""

import os
import sys
import time
from pathlib import Path

import pytest
from processes import ended, start

FOREVER = [
    sys.executable,
    "-c",
    "import sys, time; print('here', file=sys.stderr, flush=True); time.sleep(600)",
]


def test_a_process_ends_after_its_time_though_nobody_waits_for_it(tmp_path: Path) -> None:
    process = start(FOREVER, tmp_path, dict(os.environ), longest=0.5)
    begun = time.monotonic()
    while process.poll() is None and time.monotonic() < begun + 60:
        time.sleep(0.05)
    assert ended(process, 10)[0] != 0


def test_who_waits_too_long_is_told_what_the_process_said(tmp_path: Path) -> None:
    process = start(FOREVER, tmp_path, dict(os.environ))
    assert process.stderr is not None
    assert process.stderr.readline() == "here\n"
    with pytest.raises(AssertionError, match="did not end within"):
        ended(process, 0.1)
    assert process.poll() is not None
