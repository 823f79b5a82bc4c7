"""Shared fixtures; tests on real data run where LRBENCH_MIRROR points at it."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each of several test processes gets one thread: sharing the cores twice over is slower. Torch reads
    # this when it is first imported, and so do the processes that tests start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


settings.register_profile("whole", deadline=None)  # a busy machine is no fault
settings.register_profile("fast", deadline=None, max_examples=20)  # for `nox -s tests-fast`
settings.load_profile("whole")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--campaign-size",
        type=int,
        default=1,
        metavar="N",
        help="do N times as many kills, races, fetches, damaged files and wrong options; 20: all there are",
    )


def pytest_configure() -> None:
    # A shell that starts the tests in the background has interrupts ignored; some tests are about them.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("LRBENCH_MIRROR"):
        return
    skip = pytest.mark.skip(reason="LRBENCH_MIRROR is not set")
    for item in items:
        if "real_data" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def campaign_size(pytestconfig: pytest.Config) -> int:
    """How many times as large as by default the campaigns are."""
    size: int = pytestconfig.getoption("--campaign-size")
    return size


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder with real data."""
    return Path(os.environ["LRBENCH_MIRROR"]).resolve()


@pytest.fixture(scope="session")
def walks_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small prepared dataset on disk."""
    from small_data import write_small_dataset

    folder = tmp_path_factory.mktemp("data") / "walks"
    write_small_dataset(folder)
    return folder
