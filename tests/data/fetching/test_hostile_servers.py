"""Whatever a server does, a download ends soon, with the right file or with an error in a sentence."""

import hashlib
import re
from pathlib import Path
from threading import Thread
from time import sleep

import httpx
import pytest
from file_server import Notes
from hostile_server import ANSWERS, CONTENT, STALLS, Behaviour, misbehaving

from lrbench.data.catalogue import Checksums, Source
from lrbench.data.fetching import arrival, bounds, download
from lrbench.data.fetching.acquire import acquire
from lrbench.data.fetching.at_once import run_at_once
from lrbench.data.folders import Folders
from lrbench.errors import LrbenchError
from lrbench.text import has_hidden

SHA256 = hashlib.sha256(CONTENT).hexdigest()
named = pytest.mark.parametrize("behaviour", ANSWERS, ids=lambda behaviour: behaviour.name)
stalling = pytest.mark.parametrize("behaviour", STALLS, ids=lambda behaviour: behaviour.name)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test can wait for."""
    monkeypatch.setattr(arrival, "ANSWER_WITHIN", 0.5)
    monkeypatch.setattr(arrival, "_TIMEOUT", httpx.Timeout(0.7, connect=5.0))
    monkeypatch.setattr(bounds, "PATIENCE", 0.5)
    monkeypatch.setattr(bounds, "SMALLEST", 3_000_000)
    monkeypatch.setattr(download, "ATTEMPTS", 5)


def attempt(address: str, folder: Path, checksum: str | None = SHA256) -> tuple[Path | None, str]:
    """Fetch from the address; return the file or ``None``, and everything that was said."""
    source = Source(
        reader="csv", path="data.csv", urls=(address,), size=10_000, checksum=Checksums(content=checksum)
    )
    notes = Notes()
    try:
        file = acquire("shop", [source], Folders(folder), notes, lambda _: None)
    except LrbenchError as error:
        return None, "\n".join([*notes.said, str(error)])
    return file.path, "\n".join(notes.said)


def check(behaviour: Behaviour, folder: Path) -> None:
    """Compare the result of a server's behaviour with the table."""
    with misbehaving(behaviour.answer) as address:
        path, said = attempt(address, folder)
    assert not any(has_hidden(line) for line in said.splitlines())
    if behaviour.told:
        assert path is None, said
        assert re.search(behaviour.told, said), said
        left = [file.name for file in folder.rglob("*") if file.is_file() and file.suffix != ".lock"]
        assert set(left) <= {"data.csv.part", "data.csv.part.json"}
    else:
        assert path is not None, said
        assert path.read_bytes() == CONTENT


@named
def test_an_answer_gives_the_file_or_a_sentence(behaviour: Behaviour, tmp_path: Path) -> None:
    check(behaviour, tmp_path)


@stalling
def test_a_server_that_never_ends_is_given_up(
    behaviour: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    check(behaviour, tmp_path)


@stalling
def test_an_interrupt_ends_any_stalled_download(behaviour: Behaviour, tmp_path: Path) -> None:
    """The job waits for a server that never ends; the limits alone would take minutes."""

    class Impatient(Notes):
        def idle(self) -> None:
            raise KeyboardInterrupt

        def advance(self, name: str, done: int, total: int | None) -> None:
            raise KeyboardInterrupt

    source = Source(reader="csv", path="data.csv", urls=("placeholder",)[:0], checksum=Checksums())
    with misbehaving(behaviour.answer) as address, pytest.raises(KeyboardInterrupt):
        wanted = source.model_copy(update={"urls": (address,)})
        run_at_once(
            {"shop": lambda listener: acquire("shop", [wanted], Folders(tmp_path), listener, lambda _: None)},
            Impatient(),
        )


def test_an_unknown_file_is_bounded_by_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "RESERVE", 1 << 62)
    monkeypatch.setattr(bounds.Bounds, "_room", lambda _: 500)
    answer = next(behaviour.answer for behaviour in ANSWERS if behaviour.name == "right")
    with misbehaving(answer) as address:
        path, said = attempt(address, tmp_path, checksum=None)
    assert path is None
    assert "has room for" in said


def test_a_redirect_to_a_page_with_a_secret_does_not_show_it(tmp_path: Path) -> None:
    behaviour = next(behaviour for behaviour in ANSWERS if behaviour.name == "right, after a redirect")
    with misbehaving(behaviour.answer) as address:
        path, said = attempt(
            address.replace("http://", "http://alice:pa55word@") + "?key=k3y", tmp_path, None
        )
    assert path is not None
    kept = said + "".join(file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file())
    assert not [word for word in ("alice", "pa55word", "k3y", "s3cret") if word in kept]


@pytest.mark.slow
def test_campaign(tmp_path: Path, campaign_size: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Behaviours of servers, combined with states of the data folder.

    By default each behaviour meets one state, another than the behaviour before; four are all.
    """
    states = {
        "nothing here": b"",
        "a part of it": CONTENT[:700],
        "a part of another": b"x" * 700,
        "all": CONTENT,
    }
    fetches = files = refusals = 0
    for number, behaviour in enumerate(ANSWERS):
        for state in range(number, number + min(campaign_size, len(states))):
            name, held = list(states.items())[state % len(states)]
            folder = tmp_path / f"{number}-{state}"
            with misbehaving(behaviour.answer) as address:
                if held:
                    part = folder / "raw" / "shop" / "data.csv.part"
                    part.parent.mkdir(parents=True)
                    part.write_bytes(held)
                    note = f'{{"address": "{hashlib.sha256(address.encode()).hexdigest()}", "version": "v"}}'
                    part.with_name("data.csv.part.json").write_text(note)
                path, said = attempt(address, folder)
            fetches += 1
            files += path is not None
            refusals += path is None
            assert path is None or path.read_bytes() == CONTENT, (behaviour.name, name)
            assert path is not None or "could not be fetched" in said, (behaviour.name, name)
    with capsys.disabled():
        print(f"\nhostile servers: {fetches} fetches, {files} right files, {refusals} sentences, 0 others")
    assert fetches == len(ANSWERS) * min(campaign_size, len(states))


def test_jobs_that_wait_end_with_the_first_interrupt() -> None:
    """A job that never looks at its listener is left behind, so that an interrupt does not wait for it."""

    def deaf(_: object) -> None:
        sleep(30)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    ended = []

    def run() -> None:
        with pytest.raises(KeyboardInterrupt):
            run_at_once({"deaf": deaf, "person": interrupt}, Notes())
        ended.append(True)

    running = Thread(target=run, daemon=True)
    running.start()
    running.join(20)  # the deaf job would take longer
    assert ended
