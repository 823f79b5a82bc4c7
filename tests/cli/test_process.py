"""An error, a signal or a closed stream ends a command with one sentence and an exit code."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.core import TyperGroup

from lrbench.cli import app, process
from lrbench.errors import CheckError, InterruptError, LrbenchError, RequestError

FULL = OSError(errno.ENOSPC, "No space left on device")
TOO_LONG = OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300)
TORCH = RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory")


def run_that_raises(error: BaseException) -> Callable[[Sequence[str]], int]:
    def run(arguments: Sequence[str]) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (RequestError("No such thing.", "Name another."), "No such thing.\n  Name another.\n", 2),
        (CheckError("One differs."), "One differs.\n", 1),
        (LrbenchError("Says \x1b]0;pwned\x07."), "Says \\x1b]0;pwned\\x07.\n", 1),
        (PermissionError(errno.EACCES, "Permission denied", "x.md"), "x.md: Permission denied.\n", 1),
        (FULL, "No space left on device.\n", 1),
        (OSError(errno.ENOSPC, "No space left", "x.zip"), "x.zip: No space left.\n  Make room there", 1),
        (TOO_LONG, f"{'x' * 300}: File name too long.\n", 2),
        (MemoryError(), "There is not enough memory for this.\n", 1),
        (TORCH, "There is not enough memory for this.\n", 1),
        (KeyError("x"), "This is a fault of lrbench, not of the request (KeyError: 'x').\n", 1),
        (KeyboardInterrupt(), "Interrupted.\n", 130),
    ],
)
def test_every_error_is_a_sentence(
    error: BaseException,
    said: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(app, "run", run_that_raises(error))
    assert process.run_process([]) == code
    assert capsys.readouterr().err.startswith(f"lrbench: {said}")


@pytest.mark.parametrize("error", [KeyError("bug"), FULL, RequestError("No.")])
def test_who_asks_sees_the_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "run", run_that_raises(error))
    with pytest.raises(type(error)) as caught:
        process.run_process(["--debug"])
    assert caught.value is error


def test_the_reader_of_the_output_may_go(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "run", run_that_raises(BrokenPipeError()))
    assert process.run_process([]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("verb", ["--help", "list datasets"])
@pytest.mark.parametrize(
    ("redirection", "said"),
    [(">&-", "Standard output is closed."), (">/dev/full", "No space left on device.")],
)
def test_output_that_goes_nowhere_is_an_error(verb: str, redirection: str, said: str) -> None:
    if "full" in redirection and not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("the system has no /dev/full")
    command = f"{sys.executable} -m lrbench {verb} {redirection}"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[0] == f"lrbench: {said}"
    assert len(ended.stderr.splitlines()) == 2


def test_no_character_ends_a_command_that_a_terminal_lacks() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "lrbench", "list", "suites"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert r"\xd7" in ended.stdout  # the sign ×


WAITING = """
import sys, time
from lrbench.cli import app, process
def run(arguments):
    print("ready", flush=True)
    time.sleep(60)
app.run = run
sys.exit(process.run_process([]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_end_a_command_with_a_sentence(number: signal.Signals, code: int) -> None:
    heeded = f"import signal; signal.signal({int(number)}, signal.SIG_DFL)"  # nohup has it ignored
    if number == signal.SIGINT:
        heeded = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    with subprocess.Popen(
        [sys.executable, "-c", heeded + WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        command.stdout.readline()
        command.send_signal(number)
        _, said = command.communicate(timeout=30)
    assert (said, command.returncode) == ("lrbench: Interrupted.\n", code)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_that_is_ignored_stays_ignored() -> None:
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)" + WAITING
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        command.stdout.readline()
        command.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert command.poll() is None
        command.terminate()
        command.communicate(timeout=30)


def test_an_interrupt_of_the_imports_is_answered() -> None:
    code = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "lrbench.cli.process":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from lrbench.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.stderr, ended.returncode) == ("lrbench: Interrupted.\n", 130)


@pytest.mark.parametrize("when", ["parse_args", "invoke"])
def test_an_interrupt_within_the_parser_is_answered(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typer makes an exit code of it, without a word."""

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TyperGroup, when, interrupted)
    with pytest.raises(InterruptError):
        app.run(["list", "protocols"])


@pytest.mark.parametrize("columns", ["0", "1", "00", "²", "-5", "9" * 5000, ""])
def test_a_width_without_room_is_no_width(columns: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "lrbench", "--help"],
        env={**os.environ, "COLUMNS": columns, "LINES": columns},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Usage: lrbench" in ended.stdout


def test_a_terminal_gets_an_error_broken_between_words() -> None:
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 40))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    subprocess.run(
        [sys.executable, "-m", "lrbench", "list", "models", "no-such-model-at-all"],
        stderr=theirs,
        stdout=subprocess.DEVNULL,
        env=environment,
        check=False,
    )
    os.close(theirs)
    lines = os.read(ours, 10_000).decode().replace("\r", "").splitlines()
    os.close(ours)
    assert max(map(len, lines)) <= 40
    said = " ".join(" ".join(lines).split())
    assert said.startswith('lrbench: No name among the models has "no-such-model-at-all" in it. ')


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a folder that is in use")
def test_a_current_folder_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert process.run_process(["doctor"]) == 2
    said = "lrbench: The current folder was removed.\n  Change to a folder that is there.\n"
    assert capsys.readouterr() == ("", said)
