"""A command as a process: its streams, the signals that end it, and the messages of its errors."""

import errno
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from textwrap import TextWrapper
from types import FrameType

from lrbench.errors import InterruptError, LrbenchError, RequestError
from lrbench.machine import out_of_memory

__all__ = ["known_error", "run_process"]

_WRONG_NAMES = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)
"""Errors of the system for a path that cannot exist: the request is wrong, not the disk."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of the system where a disk is full, or a file may not grow further."""

_FEWEST_COLUMNS = 20
"""Columns of the narrowest terminal in which a table can be read. A smaller width is ignored."""


def run_process(arguments: Sequence[str]) -> int:
    """Run a command line, print a message if it fails, and return the exit code.

    With ``--debug`` among the arguments, an error is raised with its traceback.
    """
    _make_streams_safe()
    _forget_sizes_without_room()
    with _ended_by_signals() as received:
        try:
            code = _run([argument for argument in arguments if argument != "--debug"])
        except BrokenPipeError:  # the reader of our output has gone, as in `lrbench report | head`
            _discard_output()
            return 1
        except KeyboardInterrupt:
            code = _say(InterruptError())
        except Exception as error:
            if "--debug" in arguments:
                raise
            code = _say(error)
        return 128 + received[0] if received and code == InterruptError.exit_code else code


def _run(arguments: Sequence[str]) -> int:
    _check_current_folder()
    from lrbench.cli.app import run

    code = run(arguments)
    sys.stdout.flush()
    return code


def _check_current_folder() -> None:
    """Refuse a folder that was removed while a shell was in it.

    Libraries end the process there without a sentence.

    Raises:
        RequestError: it was removed.
    """
    try:
        os.getcwd()  # noqa: PTH109 (pathlib takes long to import)
    except FileNotFoundError:
        raise RequestError("The current folder was removed.", "Change to a folder that is there.") from None


def _say(error: Exception) -> int:
    """Print an error as one sentence with a remedy, and return its exit code."""
    known = error if isinstance(error, LrbenchError) else known_error(error)
    if isinstance(error, OSError) and error.filename is None:
        _discard_output()  # or the interpreter would try again, as it exits, to write the rest
    print(_fitted(f"lrbench: {known.cause}"), file=sys.stderr)
    if known.remedy:
        print(_fitted(f"  {known.remedy}"), file=sys.stderr)
    return known.exit_code


def _fitted(text: str) -> str:
    """Break lines between words if standard error is a terminal, which itself would cut words."""
    if not sys.stderr.isatty():
        return text
    columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(sys.stderr.fileno()).columns
    if columns < _FEWEST_COLUMNS:  # 0 means that the terminal does not know its width
        return text
    wrapper = TextWrapper(columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapper.fill(line) for line in text.split("\n"))


def known_error(error: Exception) -> LrbenchError:
    """Return an error of the system, of memory or of lrbench itself as one with cause and remedy."""
    if isinstance(error, OSError):
        return _system_error(error)
    if out_of_memory(error):
        return LrbenchError(
            "There is not enough memory for this.",
            "Choose smaller data, a smaller model or fewer workers. --debug shows where memory ran out.",
        )
    return _fault(error)


def _fault(error: Exception) -> LrbenchError:
    """Say whose fault an unexpected error is: that of a plug-in file, of another package, or of lrbench."""
    from lrbench.plugins import failed_line
    from lrbench.registry import MODELS
    from lrbench.text import shortened

    reason = f"{type(error).__name__}: {error}"
    if (line := failed_line(error)) is not None:
        return RequestError(
            f"The plug-in failed in {line}: {shortened(reason, 300)}.",
            "Mend the file. --debug shows the traceback.",
        )
    if (found := MODELS.failed_package(error)) is not None:
        package, line = found
        return RequestError(
            f"A model of {package} failed in {line}: {shortened(reason, 300)}.",
            "Mend or uninstall that package. --debug shows the traceback.",
        )
    return LrbenchError(
        f"This is a fault of lrbench, not of the request ({reason}).",
        "Run it again with --debug and report the traceback.",
    )


def _system_error(error: OSError) -> LrbenchError:
    if error.errno in (errno.EBADF, errno.ENOSPC) and error.filename is None:
        where = "Standard output is closed." if error.errno == errno.EBADF else f"{error.strerror}."
        return LrbenchError(where, "Send the output to a file, or to a place with room.")
    cause = str(error) if error.filename is None else f"{error.filename}: {error.strerror}."
    if error.errno in _WRONG_NAMES:
        return RequestError(cause, "Give another path.")
    if error.errno in _NO_ROOM:
        return LrbenchError(cause, "Make room there, or choose another place.")
    return LrbenchError(cause, "The system refused this. Run it again with --debug to see where.")


@contextmanager
def _ended_by_signals() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does; yield a list of the signals that came.

    A signal that the process ignores, such as SIGHUP under ``nohup``, stays ignored.
    """
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            with suppress(ValueError):  # not in the main thread
                before[number] = signal.signal(number, interrupt)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _make_streams_safe() -> None:
    """Replace closed streams, and write characters that the output's encoding lacks as escapes."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stdout is None:
        _occupy(1)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _forget_sizes_without_room() -> None:
    """Ignore COLUMNS and LINES where they are no number, or too small for a table to show anything."""
    for name, fewest in (("COLUMNS", _FEWEST_COLUMNS), ("LINES", 1)):
        size = os.environ.get(name, "")
        right = size.isascii() and size.isdecimal() and len(size) < 6 and int(size) >= fewest
        if size and not right:
            del os.environ[name]


def _occupy(descriptor: int) -> None:
    """Open a closed descriptor so that it refuses writing. The next opened file would get it otherwise."""
    unwritable = os.open(os.devnull, os.O_RDONLY)
    if unwritable != descriptor:
        os.dup2(unwritable, descriptor)
        os.close(unwritable)


def _discard_output() -> None:
    """Discard the rest of the output, so that the interpreter does not try to write it as it exits."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    with suppress(OSError, ValueError):
        sys.stdout.flush()
