from pathlib import Path
from types import SimpleNamespace

import pytest

from lrbench.data.fetching import bounds
from lrbench.data.fetching.bounds import FACTOR, LARGEST, PATIENCE, SMALLEST, Bounds
from lrbench.data.fetching.failures import TransferError

GB = 1_000_000_000


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that the test sets."""
    clock = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(bounds, "monotonic", lambda: clock.seconds)
    return clock


def disk(monkeypatch: pytest.MonkeyPatch, total: int, free: int) -> None:
    usage = SimpleNamespace(total=total, free=free)
    monkeypatch.setattr(bounds.shutil, "disk_usage", lambda _: usage)


@pytest.mark.parametrize(
    ("size", "most"), [(100 * GB, int(FACTOR * 100 * GB)), (5, SMALLEST), (None, LARGEST)]
)
def test_a_file_may_exceed_its_size_a_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int | None, most: int
) -> None:
    disk(monkeypatch, total=1000 * GB, free=900 * GB)
    watch = Bounds(tmp_path / "part", size)
    watch.check_announced(most, held=0)
    watch.check_arrived(most)
    for check in (lambda: watch.check_announced(most + 1, held=0), lambda: watch.check_arrived(most + 1)):
        with pytest.raises(TransferError, match="which this file cannot have") as caught:
            check()
        assert caught.value.useless


@pytest.mark.parametrize(
    ("total", "free", "held", "length", "fits"),
    [
        (100 * GB, 10 * GB, 0, 9 * GB, True),  # a gigabyte stays free
        (100 * GB, 10 * GB, 0, 9 * GB + 1, False),
        (100 * GB, 10 * GB, 5 * GB, 14 * GB, True),  # what is held takes its room already
        (8_000_000, 8_000_000, 0, 7_600_000, True),  # of a small disk, a twentieth
        (8_000_000, 8_000_000, 0, 7_600_001, False),
    ],
)
def test_an_announced_length_must_fit_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, total: int, free: int, held: int, length: int, fits: bool
) -> None:
    disk(monkeypatch, total, free)
    watch = Bounds(tmp_path / "part", None)
    if fits:
        watch.check_announced(length, held)
    else:
        with pytest.raises(TransferError, match="has room for") as caught:
            watch.check_announced(length, held)
        assert not caught.value.useless  # it can go on once there is room


def test_a_body_without_a_length_ends_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Bounds(tmp_path / "part", None)
    disk(monkeypatch, total=100 * GB, free=2 * GB)
    watch.check_arrived(1)
    disk(monkeypatch, total=100 * GB, free=GB - 1)
    watch.check_arrived(2)  # the disk is looked at now and then
    with pytest.raises(TransferError, match="has no room for more than"):
        watch.check_arrived(1 << 27)


def test_a_server_that_is_too_slow_for_too_long_is_given_up(tmp_path: Path, now: SimpleNamespace) -> None:
    watch = Bounds(tmp_path / "part", None)
    for second in range(int(PATIENCE)):
        now.seconds = second
        watch.check_arrived(1 + second)
    now.seconds = PATIENCE
    with pytest.raises(TransferError, match="less than 1,000 bytes a second"):
        watch.check_arrived(1 + int(PATIENCE))


def test_a_server_that_is_just_fast_enough_is_not(tmp_path: Path, now: SimpleNamespace) -> None:
    watch = Bounds(tmp_path / "part", None)
    for second in range(0, 1000, 10):
        now.seconds = second
        watch.check_arrived(second * 1000)


def test_a_pause_that_the_server_asked_for_does_not_count(tmp_path: Path, now: SimpleNamespace) -> None:
    watch = Bounds(tmp_path / "part", None)
    watch.check_arrived(10)
    for _ in range(5):
        now.seconds += 60
        watch.excuse(60)
    watch.check_arrived(20)
    now.seconds += PATIENCE
    with pytest.raises(TransferError, match="less than"):
        watch.check_arrived(30)


def test_a_download_that_starts_again_is_measured_from_there(tmp_path: Path, now: SimpleNamespace) -> None:
    watch = Bounds(tmp_path / "part", None)
    watch.check_arrived(1_000_000)
    now.seconds = PATIENCE + 1
    watch.check_arrived(10)  # less than before: it is another file
    now.seconds += PATIENCE - 1
    watch.check_arrived(20)
