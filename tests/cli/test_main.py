"""What becomes of an error that a verb leaves."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lrbench import __main__
from lrbench.errors import RequestError

FULL = OSError(errno.ENOSPC, "No space left on device")


def app_that_raises(error: Exception) -> Callable[[list[str]], None]:
    def app(arguments: list[str]) -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (RequestError("No such thing.", "Name another."), "lrbench: No such thing.\n  Name another.\n", 2),
        (
            PermissionError(errno.EACCES, "Permission denied", "x.md"),
            "lrbench: x.md: Permission denied.\n",
            1,
        ),
        (FULL, "lrbench: [Errno 28] No space left on device\n", 1),
    ],
)
def test_known_errors_and_those_of_the_system_are_said(
    error: Exception,
    said: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(__main__, "app", app_that_raises(error))
    monkeypatch.setattr(sys, "argv", ["lrbench"])
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    assert caught.value.code == code
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    ("error", "arguments"), [(KeyError("bug"), []), (FULL, ["--debug"]), (RequestError("No."), ["--debug"])]
)
def test_tracebacks_are_for_bugs_and_for_who_asks(
    error: Exception, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(__main__, "app", app_that_raises(error))
    monkeypatch.setattr(sys, "argv", ["lrbench", *arguments])
    with pytest.raises(type(error)) as caught:
        __main__.main()
    assert caught.value is error


def test_the_reader_of_the_output_may_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(__main__, "app", app_that_raises(BrokenPipeError()))
    monkeypatch.setattr(sys, "argv", ["lrbench"])
    with (tmp_path / "messages").open("w+", encoding="utf-8") as messages:
        monkeypatch.setattr(sys, "stderr", messages)
        with pytest.raises(SystemExit):
            __main__.main()
    assert (tmp_path / "messages").read_text(encoding="utf-8") == ""
