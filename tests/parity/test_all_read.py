"""No stored output goes unread: a number that no test takes says nothing about our models."""

from pathlib import Path

import pytest
from parity.published import CASES, READ
from safetensors import safe_open

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
    unread = {}
    for precision in CASES.values():
        for file in HERE.glob(f"*/{precision}.safetensors"):
            with safe_open(file, "np") as stored:
                outputs = {key for key in stored.keys() if key.startswith("out.")}  # noqa: SIM118
            unread[file.relative_to(HERE)] = sorted(outputs - READ[file.parent.name])
    assert unread and not any(unread.values())
