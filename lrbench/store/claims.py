"""Claims on trials: a lock within one machine, and a lease with a heartbeat between machines.

A lock is exact and ends with its process, but on a network file system it may not hold between machines. So
the process that has the lock also writes a lease beside it. The lease is a file that names the holder. Its
modification time is renewed every :data:`BEAT_SECONDS`. Other machines respect a lease until it has not been
renewed for :data:`STALE_SECONDS`. A lease from a time to come is as old: a clock was set back since the last
renewal, so nobody renews it. On the same machine the lock alone decides, so a killed process blocks
nobody. A lease that cannot be read names no machine: its age alone decides.
"""

import hashlib
import os
import platform
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import Timeout
from pydantic import ConfigDict

from lrbench.config.base import FrozenConfig
from lrbench.files import read_plain
from lrbench.lock_files import lock_on

__all__ = [
    "BEAT_SECONDS",
    "STALE_SECONDS",
    "Claim",
    "ClaimedError",
    "Holder",
    "claimed",
    "holder_elsewhere",
    "holder_of",
]

BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0


class Holder(FrozenConfig):
    """The content of a lease. Fields that another version writes are ignored."""

    model_config = ConfigDict(extra="ignore")

    token: str
    """A random text that only this lease has."""

    machine: str
    """Differs between machines, and on Linux after each restart of a machine."""

    host: str
    process: int
    job: str = ""
    """The name under which the user finds the job in the cluster's queue; empty: it is no job."""

    since: datetime

    def __str__(self) -> str:
        """``node7, process 4711 (Slurm job 12_3)``."""
        return f"{self.host}, process {self.process}" + (f" ({self.job})" if self.job else "")


class ClaimedError(Exception):
    """Another process has the claim; the text says which one, if that is known."""


class Claim:
    """The lease of this process on a lock. A thread renews it until :meth:`end`.

    Args:
        lease: its file.
        holder: what the file says.
    """

    def __init__(self, lease: Path, holder: Holder) -> None:
        self._lease, self._holder = lease, holder
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()

    def check(self) -> None:
        """Refuse to go on without the lease. It may be lost if this process was suspended for long.

        Raises:
            ClaimedError: another process has taken over.
        """
        found = _read(self._lease)
        if found is None or found.token != self._holder.token:
            raise ClaimedError(str(found or "another process"))

    def end(self) -> None:
        """Give the lease back."""
        self._ended.set()
        self._heart.join()
        with suppress(ClaimedError):
            self.check()
            self._lease.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(OSError, ClaimedError):  # the main thread notices a lost lease by `check`
                self.check()
                os.utime(self._lease)


@contextmanager
def claimed(lock: Path) -> Iterator[Claim]:
    """Hold a lock and its lease within the block.

    Args:
        lock: the file of the lock; its folder exists.

    Raises:
        ClaimedError: another process holds it.
    """
    lease = _lease_of(lock)
    try:
        with lock_on(lock, timeout=0):
            claim = Claim(lease, _taken(lock, lease))
            try:
                yield claim
            finally:
                claim.end()
    except Timeout:
        raise ClaimedError(str(_read(lease) or "another process")) from None


def holder_elsewhere(lock: Path) -> Holder | None:
    """Return which process of another machine holds a lock; ``None``: no such process does.

    Nothing is written. The lease's time is compared with this machine's clock. The clocks of machines may
    therefore differ by a few seconds, but not by a minute.
    """
    lease = _lease_of(lock)
    holder = _read(lease)
    if holder is None or holder.machine == _this_machine():
        return None
    return None if abs(time.time() - _changed(lease)) > STALE_SECONDS else holder


def holder_of(lock: Path) -> Holder | None:
    """Return the holder that the lease of a lock names, even if the lease is stale; ``None``: no lease."""
    return _read(_lease_of(lock))


def _lease_of(lock: Path) -> Path:
    return lock.with_suffix(".lease")


def _taken(lock: Path, lease: Path) -> Holder:
    """Write the lease for this process, which holds the lock.

    Raises:
        ClaimedError: another machine holds it, or may hold it.
    """
    _clear_beside(lease)
    if os.path.lexists(lease):
        before = _read(lease)
        os.utime(lock)  # both times then come from the clock of the file server
        here = before is not None and before.machine == _this_machine()
        if not here and abs(_changed(lock) - _changed(lease)) <= STALE_SECONDS:
            raise ClaimedError(str(before or "another process"))
        _remove(lease, before)
    job = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    holder = Holder(
        token=secrets.token_hex(8),
        machine=_this_machine(),
        host=platform.node() or "unknown",
        process=os.getpid(),
        job=f"Slurm job {job[0]}_{job[1]}" if all(job) else "",
        since=datetime.now(UTC).replace(microsecond=0),
    )
    temporary = _beside(lease)
    try:
        with temporary.open("xb") as file:
            file.write(holder.model_dump_json().encode())
            file.flush()
            os.fsync(file.fileno())  # else a crash of the machine may leave an empty lease
        os.link(temporary, lease)  # fails if the lease exists, on a network file system too
    except FileExistsError:
        raise ClaimedError(str(_read(lease) or "another process")) from None
    finally:
        temporary.unlink(missing_ok=True)
    return holder


def _remove(lease: Path, expected: Holder | None) -> None:
    """Remove a stale lease, but no lease that has replaced it.

    Args:
        lease: its file.
        expected: what the stale lease says; ``None``: it cannot be read.

    Raises:
        ClaimedError: another process has just taken it over.
    """
    aside = _beside(lease)
    with suppress(FileNotFoundError):
        lease.rename(aside)
        found = _read(aside)
        if found is not None and (expected is None or found.token != expected.token):
            with suppress(FileExistsError):
                os.link(aside, lease)
            aside.unlink()
            raise ClaimedError(str(found))
        aside.unlink()


def _beside(lease: Path) -> Path:
    """Return a new path beside a lease. Its name holds a mark of this machine."""
    return lease.with_name(f".{lease.name}.{_mark()}.{secrets.token_hex(4)}")


def _clear_beside(lease: Path) -> None:
    """Remove temporary files that killed processes left beside a lease.

    This process holds the lock, so no other process of this machine is writing there. A file of another
    machine stays until it is old.
    """
    for path in lease.parent.glob(f".{lease.name}.*"):
        own = path.name.split(".")[-2] == _mark()
        if own or abs(time.time() - _changed(path)) > STALE_SECONDS:
            path.unlink(missing_ok=True)


def _mark() -> str:
    return hashlib.sha256(_this_machine().encode()).hexdigest()[:8]


def _read(lease: Path) -> Holder | None:
    try:
        return Holder.model_validate_json(read_plain(lease))
    except (OSError, ValueError):
        return None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _this_machine() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{platform.node()}-{uuid.getnode():x}"
