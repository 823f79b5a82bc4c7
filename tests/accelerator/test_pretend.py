"""The pretended accelerator complains about code that would wait, and about code that mixes devices."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = {
    "number": "there.sum().item()",
    "shape": "there[there > 0]",
    "host": "there.cpu()",
    "list": "there[[0, 2]]",
    "table": "there + torch.tensor([1.0, 2.0, 3.0], device=GPU)",
    "mixed": "there + torch.ones(3)",
    "move": "torch.ones(3).to(GPU)",
}
SOUND = {
    "ahead": "torch.ones(3).to(GPU, non_blocking=True) + there",
    "scalar": "there * 2 + torch.tensor(1.0)",
    "drawn on the host": "torch.rand(3).numpy()",
    "created there": "torch.zeros(3, device=GPU) + there.new_full((3,), 2)",
}
UNRECORDABLE = {"lares": "spt", "duorec": "supervised"}
"""Stages that plan a part of each step on the host."""

SCRIPT = """
import json, sys
sys.path.insert(0, {folder!r})
from pretend import *
kept = register_autocast()
def ran(text):
    def run(device):
        there = torch.ones(3, device=GPU)
        with device.without_waits():
            eval(text)
    return complaint(run)
found = {{name: ran(text) for name, text in {texts!r}.items()}}
found |= {{name: complaint(recording, MODELS.load(name), stage) for name, stage in {stages!r}.items()}}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def complaints() -> dict[str, str]:
    """The complaint about each expression."""
    script = SCRIPT.format(folder=str(Path(__file__).parent), texts=FAULTS | SOUND, stages=UNRECORDABLE)
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(complaints: dict[str, str], name: str) -> None:
    assert complaints[name]


@pytest.mark.parametrize("name", UNRECORDABLE)
def test_a_step_that_cannot_be_recorded_is_found(complaints: dict[str, str], name: str) -> None:
    assert complaints[name]


@pytest.mark.parametrize("name", SOUND)
def test_sound_code_passes(complaints: dict[str, str], name: str) -> None:
    assert complaints[name] == ""
