"""Claims hold between machines. The tests pretend another machine by changing the machine's name."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lrbench.errors import RequestError
from lrbench.store import claims
from lrbench.store.claims import (
    STALE_SECONDS,
    ClaimedError,
    _mark,
    claimed,
    holder_elsewhere,
    holder_of,
)
from lrbench.store.layout import Results
from lrbench.store.state import trial_state

ELSEWHERE = """
import sys, time
from contextlib import nullcontext
from pathlib import Path
from lrbench.store import claims

claims._this_machine = lambda: "elsewhere"
claims.lock_on = lambda *_, **__: nullcontext()  # a file system whose locks do not reach other machines
claims.BEAT_SECONDS = 0.05
with claims.claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "trial.lock"


def hold_elsewhere(lock: Path) -> subprocess.Popen[str]:
    """Let another process hold the lock as if it ran on another machine, whose locks are not seen here."""
    holder = subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, str(lock)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def make_stale(lease: Path, sign: int = -1) -> None:
    then = time.time() + sign * (STALE_SECONDS + 5)
    os.utime(lease, (then, then))


def test_a_claim_names_its_holder_and_leaves_no_lease(lock: Path) -> None:
    with claimed(lock):
        holder = holder_of(lock)
        assert holder is not None
        assert holder.process == os.getpid()
        assert holder_elsewhere(lock) is None  # on this machine the lock alone counts
        with pytest.raises(ClaimedError, match=f"process {os.getpid()}"), claimed(lock):
            pass
    assert [path.name for path in lock.parent.iterdir()] == ["trial.lock"]


def test_a_holder_on_another_machine_is_respected_while_it_lives(tmp_path: Path) -> None:
    results = Results(tmp_path)
    lock = results.lock("a")
    lock.parent.mkdir()
    other = hold_elsewhere(lock)
    try:
        make_stale(lock.with_suffix(".lease"))  # its next beat comes at once
        deadline = time.monotonic() + 10
        while holder_elsewhere(lock) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert trial_state(results, "a") == "running"
        with pytest.raises(ClaimedError, match=f"process {other.pid}"), claimed(lock):
            pass
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    with pytest.raises(ClaimedError), claimed(lock):  # nobody knows yet that it is dead
        pass
    make_stale(lock.with_suffix(".lease"))
    assert trial_state(results, "a") == "to do"
    with claimed(lock):
        assert holder_of(lock).process == os.getpid()  # type: ignore[union-attr]


def test_a_dead_holder_does_not_block_others_until_a_clock_that_was_set_back_has_caught_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results(tmp_path)
    lock = results.lock("a")
    lock.parent.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(claims, "_this_machine", lambda: "elsewhere")
        with claimed(lock):
            left = lock.with_suffix(".lease").read_bytes()
    lock.with_suffix(".lease").write_bytes(left)
    assert trial_state(results, "a") == "running"
    make_stale(lock.with_suffix(".lease"), sign=1)
    assert trial_state(results, "a") == "to do"
    with claimed(lock):
        assert holder_of(lock).process == os.getpid()  # type: ignore[union-attr]


def test_a_holder_that_died_on_this_machine_blocks_nobody(lock: Path) -> None:
    code = "import os, sys; from pathlib import Path; from lrbench.store.claims import claimed\n"
    code += "with claimed(Path(sys.argv[1])):\n    os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(lock)], check=True)
    assert holder_of(lock) is not None
    with claimed(lock):
        pass


def test_who_was_suspended_too_long_learns_that_another_took_over(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with claimed(lock) as mine:
        mine.check()
        make_stale(lock.with_suffix(".lease"))
        with monkeypatch.context() as patch:
            patch.setattr(claims, "_this_machine", lambda: "elsewhere")
            theirs = claims.Claim(lock.with_suffix(".lease"), claims._taken(lock, lock.with_suffix(".lease")))
        with pytest.raises(ClaimedError):
            mine.check()
    theirs.check()  # the end of my claim has left the other lease alone
    theirs.end()


def test_nobody_renews_the_lease_of_another(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other may have died since. Its lease must become stale."""
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.02)
    lease = lock.with_suffix(".lease")
    with claimed(lock):
        holder = holder_of(lock)
        assert holder is not None
        lease.write_text(
            holder.model_copy(update={"token": "of another"}).model_dump_json(), encoding="utf-8"
        )
        make_stale(lease)
        then = lease.stat().st_mtime
        time.sleep(0.2)
        assert lease.stat().st_mtime == then
    assert lease.exists()


def test_of_two_that_find_a_stale_lease_one_gets_it(lock: Path) -> None:
    lease = lock.with_suffix(".lease")
    lock.touch()
    stale = claims._taken(lock, lease)
    make_stale(lease)
    lease.unlink()
    winner = claims._taken(lock, lease)  # another process was faster
    with pytest.raises(ClaimedError):
        claims._remove(lease, stale)
    assert holder_of(lock) == winner


@pytest.mark.parametrize("content", [b"", bytes(50), b"{}", b"\xff"], ids=["empty", "nuls", "other", "bytes"])
def test_a_lease_that_cannot_be_read_blocks_nobody_once_it_is_old(lock: Path, content: bytes) -> None:
    """A machine that crashed may leave an empty file."""
    lease = lock.with_suffix(".lease")
    lease.write_bytes(content)
    with pytest.raises(ClaimedError, match="another process"), claimed(lock):
        pass
    assert lease.read_bytes() == content
    make_stale(lease)
    with claimed(lock):
        assert holder_of(lock).process == os.getpid()  # type: ignore[union-attr]


def test_a_lease_that_was_replaced_since_it_could_not_be_read_is_left_alone(lock: Path) -> None:
    lease = lock.with_suffix(".lease")
    lock.touch()
    winner = claims._taken(lock, lease)
    with pytest.raises(ClaimedError):
        claims._remove(lease, None)
    assert holder_of(lock) == winner


def test_a_lease_with_a_field_of_another_version_names_its_holder(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.touch()
    lease = lock.with_suffix(".lease")
    with monkeypatch.context() as patch:
        patch.setattr(claims, "_this_machine", lambda: "elsewhere")
        theirs = claims._taken(lock, lease)
    lease.write_text(json.dumps({**json.loads(lease.read_text()), "user": "x"}), encoding="utf-8")
    assert holder_elsewhere(lock) == theirs
    make_stale(lease)
    with claimed(lock):
        pass


def test_a_lease_is_on_the_disk_before_it_has_its_name(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    sync, link = os.fsync, os.link
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append("fsync"), sync(file)))
    monkeypatch.setattr(os, "link", lambda *names: (calls.append("link"), link(*names)))
    with claimed(lock):
        assert calls == ["fsync", "link"]


def test_what_a_killed_process_left_beside_a_lease_is_removed(tmp_path: Path) -> None:
    lock = tmp_path / "trial.lock"
    own, fresh, old = (tmp_path / f".trial.lease.{mark}.0123abcd" for mark in (_mark(), "0" * 8, "1" * 8))
    for path in (own, fresh, old):
        path.touch()
    os.utime(old, (0, 0))
    with claimed(lock):
        assert not own.exists()
        assert not old.exists()
        assert fresh.exists()  # another machine may be writing it


def test_a_folder_in_the_place_of_a_lock_is_named_with_what_to_do(tmp_path: Path) -> None:
    results = Results(tmp_path)
    (folder := results.lock("a")).mkdir(parents=True)
    told = r"a\.lock is a folder, and its place is that of a lock file\. Remove the folder"
    with pytest.raises(RequestError, match=told), claimed(folder):
        pass
    with pytest.raises(RequestError, match="Remove the folder"):
        trial_state(results, "a")
