"""No stored output goes unread: a number that no test takes says nothing about our models."""

from collections import defaultdict
from pathlib import Path

import pytest
from parity.published import CASES, READ
from safetensors.torch import load_file

HERE = Path(__file__).parent


@pytest.mark.slow
def test_every_stored_output_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the tests beside this one, which are run here once more, in one precision.

    What the session at hand has run would not do: it may be a selection (``-k``) or a share (``-n``).
    """
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    tests = [str(file) for file in HERE.glob("test_*.py") if file != Path(__file__)]
    READ.clear()
    assert pytest.main(["-q", "-k", "float64", "-p", "no:cacheprovider", *tests]) == pytest.ExitCode.OK
    stored: defaultdict[str, set[str]] = defaultdict(set)
    for precision in CASES.values():
        for file in HERE.glob(f"*/{precision}.safetensors"):
            stored[file.parent.name] |= {key for key in load_file(file) if key.startswith("out.")}
    assert set(stored) == set(READ)
    unread = {folder: sorted(outputs - READ[folder]) for folder, outputs in stored.items()}
    assert {folder: outputs for folder, outputs in unread.items() if outputs} == {}
