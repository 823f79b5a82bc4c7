"""How much a download may take: of the disk, and of time."""

import shutil
from pathlib import Path
from time import monotonic

from lrbench.data.fetching.failures import TransferError

__all__ = ["Bounds"]

LARGEST = 100_000_000_000
"""Most bytes of a file whose size the catalogue does not give. No dataset of the field comes near it."""

FACTOR = 1.5
"""Most bytes as a multiple of the catalogue's size: archives and other releases differ a little."""

SMALLEST = 10_000_000
"""Bytes that are always allowed: archives of small files hold other files, too."""

RESERVE = 1_000_000_000
"""Bytes that stay free on the disk. On a small disk, a twentieth of it stays free."""

LEAST_RATE = 1_000
"""Bytes per second. A slower server is given up after ``PATIENCE``."""

PATIENCE = 120.0
"""Seconds over which the rate is measured."""

_LOOK_EVERY = 1 << 26  # bytes between checks of the disk


class Bounds:
    """Watches one download and ends it if it takes too much of the disk or of time."""

    def __init__(self, part: Path, size: int | None) -> None:
        """Watch the file ``part``; the catalogue says that it has about ``size`` bytes."""
        self._folder = part.parent
        self._most = LARGEST if size is None else max(SMALLEST, int(FACTOR * size))
        self._next_look = 0
        self._since = monotonic()
        self._done_then: int | None = None

    def check_announced(self, total: int | None, held: int) -> None:
        """Refuse a file that the server says is too large.

        Raises:
            TransferError: it exceeds what the catalogue says, or what the disk has room for.
        """
        if total is None:
            return
        self._check_size(total)
        room = self._room()
        if total - held > room:
            raise TransferError(
                f"it has {_gigabytes(total)}, and {self._folder} has room for {_gigabytes(room + held)}"
            )

    def check_arrived(self, done: int) -> None:
        """Refuse to go on if too much has arrived, the disk is nearly full, or the server is too slow.

        Raises:
            TransferError: saying which of them.
        """
        self._check_size(done)
        if done >= self._next_look:
            self._next_look = done + _LOOK_EVERY
            if self._room() < 0:
                raise TransferError(f"{self._folder} has no room for more than {_gigabytes(done)} of it")
        if self._done_then is None or done < self._done_then:
            self._since, self._done_then = monotonic(), done
        elapsed = monotonic() - self._since
        if elapsed >= PATIENCE:
            if done - self._done_then < LEAST_RATE * elapsed:
                raise TransferError(f"it sends less than {LEAST_RATE:,} bytes a second")
            self._since, self._done_then = monotonic(), done

    def excuse(self, seconds: float) -> None:
        """Leave a pause that the server asked for out of the time over which the rate is measured."""
        self._since += seconds

    def _check_size(self, size: int) -> None:
        if size > self._most:
            raise TransferError(
                f"it has more than {_gigabytes(self._most)}, which this file cannot have", useless=True
            )

    def _room(self) -> int:
        """Return the bytes that may still be written."""
        disk = shutil.disk_usage(self._folder)
        return disk.free - min(RESERVE, disk.total // 20)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
