"""What ``lrbench run`` says when it is interrupted."""

from types import SimpleNamespace

import pytest

from lrbench.cli.run import _train
from lrbench.config.rerun import Rerun
from lrbench.errors import InterruptError


@pytest.mark.parametrize(
    ("rerun", "told"),
    [
        (Rerun.missing, "go on, trials from their last epoch"),
        (Rerun.failed, "go on, trials from their last epoch"),
        (Rerun.all, "trains all trials from the start"),
    ],
)
def test_an_interrupt_promises_only_what_the_same_command_does(
    rerun: Rerun, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("lrbench.cli.run_suite.run_suite", interrupted)
    with pytest.raises(InterruptError, match=told):
        _train(SimpleNamespace(rerun=rerun))  # type: ignore[arg-type]
