"""Every model trains and ranks on an accelerator without mixing devices or waiting, on a pretended one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lrbench.models.base import GradientStage
from lrbench.registry import MODELS

pytestmark = pytest.mark.slow

FUSED = "torch prepares its fused GRU by a call that the pretence does not reach"
COUNTED = "users differ in how many numbers score them; only a ranking waits for it, never a training step"
KNOWN = {
    "gru4rec supervised": ("aten::empty_strided", FUSED),
    "gru4rec ranking": ("aten::empty_strided", FUSED),
    "markov ranking": ("repeat_interleave", COUNTED),
    "item-knn ranking": ("nonzero", COUNTED),
    "ease ranking": ("nonzero", COUNTED),
}
"""What does not work there: part of the complaint, and why it is accepted."""


def parts(name: str) -> list[str]:
    """Stages of a model, those among them whose steps can be recorded, and its ranking."""
    kind = MODELS.load(name)
    recorded = [
        f"{stage} recorded"
        for stage, stage_kind in kind.stages.items()
        if issubclass(stage_kind, GradientStage) and stage_kind.replayable(kind, kind.Config())
    ]
    return [f"{name} {part}" for part in (*kind.stages, *recorded, "ranking")]


PARTS = [part for name in MODELS.names() if not MODELS.load(name).reads_titles for part in parts(name)]
"""What is tried of models on item ids."""


@pytest.fixture(scope="module")
def complaints() -> Any:
    """The complaint about every part of every model."""
    script = Path(__file__).with_name("pretend.py")
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True, timeout=300)
    return json.loads(done.stdout)


def test_every_model_was_asked(complaints: dict[str, str]) -> None:
    assert sorted(complaints) == sorted(PARTS)


@pytest.mark.parametrize("part", [part for part in PARTS if part not in KNOWN])
def test_it_works_without_waiting(complaints: dict[str, str], part: str) -> None:
    assert complaints[part] == ""


@pytest.mark.parametrize("part", KNOWN)
def test_what_is_known_is_still_so(complaints: dict[str, str], part: str) -> None:
    assert KNOWN[part][0] in complaints[part], "it works now: take it out of the table"
