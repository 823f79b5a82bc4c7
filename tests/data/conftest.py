"""A running file server, and an environment without proxies or places of the person's own."""

import os
from collections.abc import Iterator

import pytest
from file_server import FileServer, running


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("LRBENCH_DATA", raising=False)
    if "mirror" not in request.fixturenames:
        monkeypatch.delenv("LRBENCH_MIRROR", raising=False)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with running(FileServer()) as started:
        yield started
