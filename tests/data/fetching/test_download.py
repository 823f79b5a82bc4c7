from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from file_server import FileServer, Notes, Served, running, self_signed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrbench.data.fetching.download import ATTEMPTS, download
from lrbench.data.fetching.failures import TransferError

CONTENT = bytes(range(256)) * 4000  # about a megabyte


def fetch(server: FileServer, part: Path, notes: Notes | None = None, name: str = "data.csv") -> bytes:
    download(server.url(name), part, name, notes or Notes())
    return part.read_bytes()


def ranges_asked(server: FileServer) -> list[str | None]:
    return [request.headers.get("Range") for request in server.requests]


def test_a_whole_file_arrives_and_is_counted(server: FileServer, tmp_path: Path) -> None:
    server.files["data.csv"] = Served(CONTENT)
    notes = Notes()
    assert fetch(server, tmp_path / "new" / "data.part", notes) == CONTENT
    assert notes.advanced[0] == ("data.csv", 0, len(CONTENT))
    assert notes.advanced[-1] == ("data.csv", len(CONTENT), len(CONTENT))
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_a_broken_connection_is_resumed_at_its_byte(server: FileServer, tmp_path: Path) -> None:
    server.files["data.csv"] = Served(CONTENT, cuts=[400_000, 300_000])
    notes = Notes()
    assert fetch(server, tmp_path / "data.part", notes) == CONTENT
    assert ranges_asked(server) == [None, "bytes=400000-", "bytes=700000-"]
    assert server.requests[1].headers["If-Range"] == '"one"'
    assert notes.pauses == [1.0, 1.0]  # new bytes came each time, so patience starts anew


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(CONTENT) - 1), max_size=4))
def test_wherever_connections_break_the_bytes_are_the_same(
    server: FileServer, tmp_path: Path, cuts: list[int]
) -> None:
    server.files["data.csv"] = Served(CONTENT, cuts=list(cuts))
    part = tmp_path / "data.part"
    part.unlink(missing_ok=True)
    assert fetch(server, part) == CONTENT


def test_a_server_may_send_less_than_was_asked_for(server: FileServer, tmp_path: Path) -> None:
    server.files["data.csv"] = Served(CONTENT, cuts=[400_000], longest=300_000)
    assert fetch(server, tmp_path / "data.part") == CONTENT
    assert ranges_asked(server) == [None, "bytes=400000-", "bytes=700000-", "bytes=1000000-"]


def test_an_interrupt_leaves_a_part_that_the_next_call_completes(server: FileServer, tmp_path: Path) -> None:
    server.files["data.csv"] = Served(CONTENT)
    part = tmp_path / "data.part"
    with pytest.raises(KeyboardInterrupt):
        fetch(server, part, Notes(interrupt_at=300_000))
    held = part.stat().st_size
    assert 300_000 <= held < len(CONTENT)
    assert fetch(server, part) == CONTENT
    assert ranges_asked(server) == [None, f"bytes={held}-"]


def test_a_server_without_ranges_starts_anew(server: FileServer, tmp_path: Path) -> None:
    server.files["data.csv"] = Served(CONTENT, ranges=False, cuts=[400_000])
    assert fetch(server, tmp_path / "data.part") == CONTENT


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changed_in_between_is_not_spliced(
    server: FileServer, tmp_path: Path, heeds_if_range: bool
) -> None:
    part = tmp_path / "data.part"
    server.files["data.csv"] = Served(CONTENT)
    with pytest.raises(KeyboardInterrupt):
        fetch(server, part, Notes(interrupt_at=300_000))
    changed = CONTENT[::-1]
    server.files["data.csv"] = Served(changed, etag='"two"', heeds_if_range=heeds_if_range)
    assert fetch(server, part) == changed


def test_a_file_that_became_shorter_starts_anew(server: FileServer, tmp_path: Path) -> None:
    part = tmp_path / "data.part"
    server.files["data.csv"] = Served(CONTENT)
    with pytest.raises(KeyboardInterrupt):
        fetch(server, part, Notes(interrupt_at=300_000))
    server.files["data.csv"] = Served(b"short", heeds_if_range=False)
    assert fetch(server, part) == b"short"


def test_a_part_that_is_complete_already_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    server.files["data.csv"] = Served(CONTENT)
    part = tmp_path / "data.part"
    fetch(server, part)
    notes = Notes()
    assert fetch(server, part, notes) == CONTENT
    assert notes.advanced == []


@pytest.mark.parametrize(
    ("etag", "modified", "asked"),
    [
        ('W/"weak"', "", None),  # a weak tag does not promise the same bytes
        ("", "", None),
        ('W/"weak"', "Wed, 26 Sep 2018 10:00:00 GMT", "Wed, 26 Sep 2018 10:00:00 GMT"),
    ],
)
def test_only_what_identifies_the_bytes_lets_a_download_go_on(
    server: FileServer, tmp_path: Path, etag: str, modified: str, asked: str | None
) -> None:
    server.files["data.csv"] = Served(CONTENT, etag=etag, modified=modified, cuts=[400_000])
    assert fetch(server, tmp_path / "data.part") == CONTENT
    assert server.requests[1].headers.get("If-Range") == asked
    assert ("Range" in server.requests[1].headers) == (asked is not None)


def test_a_part_of_another_address_is_not_continued(server: FileServer, tmp_path: Path) -> None:
    server.files |= {"a": Served(CONTENT), "b": Served(CONTENT[::-1])}
    part = tmp_path / "data.part"
    with pytest.raises(KeyboardInterrupt):
        fetch(server, part, Notes(interrupt_at=300_000), "a")
    assert fetch(server, part, name="b") == CONTENT[::-1]


def test_a_part_without_its_state_is_not_continued(server: FileServer, tmp_path: Path) -> None:
    server.files["data.csv"] = Served(CONTENT, cuts=[400_000])
    part = tmp_path / "data.part"
    with pytest.raises(KeyboardInterrupt):
        fetch(server, part, Notes(interrupt_at=300_000))
    part.with_name("data.part.json").write_text("{", encoding="utf-8")
    assert fetch(server, part) == CONTENT
    assert ranges_asked(server)[1] is None


def test_a_busy_server_is_waited_for_as_long_as_it_asks(server: FileServer, tmp_path: Path) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    refusals = [
        (503, {"Retry-After": "7"}),
        (429, {"Retry-After": soon}),
        (500, {}),
    ]
    server.files["data.csv"] = Served(CONTENT, refusals=refusals)
    notes = Notes()
    assert fetch(server, tmp_path / "data.part", notes) == CONTENT
    assert notes.pauses[0] == 7.0
    assert 25.0 < notes.pauses[1] <= 30.0
    assert notes.pauses[2:] == [4.0]
    assert "503" in notes.said[0]


@pytest.mark.parametrize("wait", ["61", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_server_that_asks_to_wait_too_long_is_given_up(
    server: FileServer, tmp_path: Path, wait: str
) -> None:
    server.files["data.csv"] = Served(CONTENT, refusals=[(503, {"Retry-After": wait})])
    notes = Notes()
    with pytest.raises(TransferError, match="asks to wait longer than a minute"):
        fetch(server, tmp_path / "data.part", notes)
    assert notes.pauses == []


def test_a_server_that_stays_busy_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.files["data.csv"] = Served(CONTENT, refusals=[(503, {})] * 20)
    notes = Notes()
    with pytest.raises(TransferError, match="503 Service Unavailable"):
        fetch(server, tmp_path / "data.part", notes)
    assert len(server.requests) == ATTEMPTS
    assert notes.pauses == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_lasting_refusal_is_not_repeated(server: FileServer, tmp_path: Path, status: int) -> None:
    server.files["data.csv"] = Served(CONTENT, refusals=[(status, {})])
    with pytest.raises(TransferError, match=str(status)):
        fetch(server, tmp_path / "data.part")
    assert len(server.requests) == 1


def test_a_page_that_asks_to_log_in_is_not_the_file(server: FileServer, tmp_path: Path) -> None:
    server.files["data.csv"] = Served(b"<html>", kind="text/html; charset=utf-8")
    with pytest.raises(TransferError, match="web page"):
        fetch(server, tmp_path / "data.part")


def test_nobody_there(tmp_path: Path) -> None:
    with running(FileServer()) as gone:
        address = gone.url("data.csv")
    with pytest.raises(TransferError, match="no connection"):
        download(address, tmp_path / "data.part", "data.csv", Notes())


def test_an_invalid_certificate_is_refused(tmp_path: Path) -> None:
    with running(FileServer(self_signed(tmp_path))) as server:
        server.files["data.csv"] = Served(CONTENT)
        with pytest.raises(TransferError, match="TLS certificate is not valid: self-signed certificate"):
            fetch(server, tmp_path / "data.part")
    assert not (tmp_path / "data.part").exists()


def test_proxies_come_from_the_environment(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["http://data.invalid/data.csv"] = Served(CONTENT)  # a proxy is asked for whole addresses
    monkeypatch.setenv("http_proxy", server.url())
    download("http://data.invalid/data.csv", tmp_path / "data.part", "data.csv", Notes())
    assert (tmp_path / "data.part").read_bytes() == CONTENT


@pytest.mark.parametrize("proxy", ["gopher://alice:s3cret@127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(TransferError, match=r"the proxy|no connection") as caught:
        download("http://data.invalid/data.csv", tmp_path / "data.part", "data.csv", Notes())
    assert "s3cret" not in str(caught.value)


def test_what_is_noted_of_a_part_does_not_tell_the_address(server: FileServer, tmp_path: Path) -> None:
    server.files["data.csv?key=s3cret"] = Served(CONTENT)
    part = tmp_path / "data.part"
    with pytest.raises(KeyboardInterrupt):
        fetch(server, part, Notes(interrupt_at=300_000), "data.csv?key=s3cret")
    assert "s3cret" not in part.with_name("data.part.json").read_text(encoding="utf-8")
    held = part.stat().st_size
    assert fetch(server, part, name="data.csv?key=s3cret") == CONTENT
    assert ranges_asked(server)[1] == f"bytes={held}-"
