"""A panic of Polars becomes an ordinary error of Polars, and its text does not reach the terminal.

Polars panics on damage that it does not foresee. It then writes to descriptor 2, past ``sys.stderr``, often
from a thread of its own, and raises an exception that no ``except Exception`` catches. While Polars reads,
descriptor 2 therefore leads to a temporary file. Python's own ``sys.stderr`` goes on to the real place.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryFile
from threading import RLock
from typing import IO

import polars as pl

from lrbench.errors import LrbenchError

__all__ = ["panics_as_errors"]

_STANDARD_ERROR = 2
_FOREWORD = b"\nthread '"
"""How the text of a panic begins."""

_MOST = 10_000
"""Characters of a panic's text that an error keeps."""


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """Turn a panic of Polars within the block into a ``ComputeError``. ``--debug`` shows the panic's text.

    Blocks may be nested, and several threads may each be in one. Text written to descriptor 2 is passed on
    when the last block ends. Only the texts of panics are left out, and only if a block ended in an error of
    Polars or lrbench.

    Raises:
        ComputeError: Polars panicked.
    """
    with _DESCRIPTOR.taken():
        try:
            yield
        except pl.exceptions.PanicException as panic:
            error = pl.exceptions.ComputeError(f"Polars gave up on it ({panic})")
            error.add_note(_DESCRIPTOR.said())
            _DESCRIPTOR.explained = True
            raise error from None
        except (LrbenchError, pl.exceptions.PolarsError, OSError):
            _DESCRIPTOR.explained = True
            raise


class _Descriptor:
    """Descriptor 2, and the file that it leads to while a block is open."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._takers = 0
        self._release = ExitStack()
        self._file: IO[bytes] | None = None
        self.explained = False
        """Whether an error of an open block tells a person what the panic's text would tell."""

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Lead the descriptor to the file until the last block ends."""
        with self._lock:
            self._takers += 1
            if self._takers == 1:
                self._lead_elsewhere()
        try:
            yield
        finally:
            with self._lock:
                self._takers -= 1
                if not self._takers:
                    self._release.close()

    def said(self) -> str:
        """Return what was written so far, at most ``_MOST`` characters of it."""
        with self._lock:
            return self._written().decode(errors="replace").strip()[:_MOST]

    def _lead_elsewhere(self) -> None:
        self.explained = False
        with ExitStack() as opened, suppress(OSError):  # it is closed, or there is no room for a file
            real = os.dup(_STANDARD_ERROR)
            opened.callback(os.close, real)
            self._file = opened.enter_context(TemporaryFile())
            opened.callback(self._pass_on, real)
            _keep_python_on(real, opened)
            os.dup2(self._file.fileno(), _STANDARD_ERROR)
            opened.callback(os.dup2, real, _STANDARD_ERROR)
            self._release = opened.pop_all()

    def _pass_on(self, real: int) -> None:
        """Write the file's text to the real descriptor."""
        text, self._file = self._written(), None
        if self.explained:
            text = text.partition(_FOREWORD)[0]
        with suppress(OSError):
            while text:
                text = text[os.write(real, text) :]

    def _written(self) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(0)
        return self._file.read()


def _keep_python_on(real: int, opened: ExitStack) -> None:
    """Let ``sys.stderr`` write to ``real`` until ``opened`` closes, if it wrote to descriptor 2."""
    before = sys.stderr
    with suppress(OSError, ValueError, AttributeError):  # a stand-in, or none at all
        if before.fileno() == _STANDARD_ERROR:
            before.flush()
            own = open(real, "w", 1, before.encoding, "backslashreplace", closefd=False)  # noqa: SIM115
            opened.callback(own.flush)
            sys.stderr = own
            opened.callback(setattr, sys, "stderr", before)


_DESCRIPTOR = _Descriptor()
