import gzip
import hashlib
import os
import signal
import zipfile
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from time import monotonic, sleep

import polars
import pytest
from file_server import FileServer, Notes, Served, running, self_signed

from lrbench.data.catalogue import Checksums, Source
from lrbench.data.fetching import acquire as module
from lrbench.data.fetching.at_once import run_at_once
from lrbench.data.fetching.failures import UnfitError
from lrbench.data.fetching.raw_files import AcquiredFile, held_sha256
from lrbench.data.folders import Folders
from lrbench.data.listener import Listener
from lrbench.errors import FilterError, LrbenchError, RequestError

ROWS = b"user,item\n" + b"a,b\n" * 50_000
SHA256 = hashlib.sha256(ROWS).hexdigest()
OTHER = b"user,item\n" + b"x,y\n" * 10


def acquire(
    name: str,
    sources: list[Source],
    folders: Folders,
    listener: Listener | None = None,
    given: str | None = None,
    try_out: module.TryOut = lambda _: None,
) -> AcquiredFile:
    """Acquire as ``fetch`` does, with ``--from`` or without."""
    listener = listener or Notes()
    if given is None:
        return module.acquire(name, sources, folders, listener, try_out)
    return module.acquire_given(name, sources, folders, listener, given, try_out)


def acquire_all(wanted: dict[str, list[Source]], folders: Folders) -> dict[str, AcquiredFile | LrbenchError]:
    jobs = {name: partial(acquire, name, sources, folders) for name, sources in wanted.items()}
    return run_at_once(jobs, Notes())


def csv(*urls: str, checksum: str | None = SHA256, path: str = "shop/data.csv.gz") -> Source:
    return Source(reader="csv", path=path, urls=urls, checksum=Checksums(content=checksum))


def in_mirror(folder: Path, path: str, content: bytes) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def left_behind(folders: Folders) -> list[str]:
    """Everything in the data folder but locks."""
    files = (path for path in folders.raw.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(str(path.relative_to(folders.raw)) for path in files)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "data")


@pytest.fixture
def mirrored(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "data", str(tmp_path / "mirror"))


@pytest.mark.parametrize(("path", "content"), [("data.csv", ROWS), ("data.csv.gz", gzip.compress(ROWS))])
def test_a_mirror_folder_is_asked_first_with_gz_or_without(
    tmp_path: Path, mirrored: Folders, server: FileServer, path: str, content: bytes
) -> None:
    in_mirror(tmp_path / "mirror", f"shop/{path}", content)
    file = acquire("shop", [csv(server.url("data.csv"))], mirrored)
    assert file.path == mirrored.raw / "shop" / "shop" / path
    assert file.path.read_bytes() == content
    assert (file.sha256, file.record.verified, file.record.notes) == (SHA256, True, ())
    assert file.record.address == str(tmp_path / "mirror" / "shop" / path)
    assert server.requests == []
    (tmp_path / "mirror" / "shop" / path).unlink()  # what was fetched needs the mirror no more
    assert acquire("shop", [csv()], mirrored).path == file.path


def test_a_mirror_may_be_an_address(tmp_path: Path, server: FileServer) -> None:
    server.files["copy/shop/data.csv"] = Served(ROWS)
    file = acquire("shop", [csv()], Folders(tmp_path, server.url("copy/")))
    assert [request.path for request in server.requests] == ["/copy/shop/data.csv.gz", "/copy/shop/data.csv"]
    assert file.path.name == "data.csv"


def test_the_mirror_is_asked_for_every_form_before_any_official_address(
    tmp_path: Path, mirrored: Folders, server: FileServer
) -> None:
    server.files["data.csv"] = Served(ROWS)
    in_mirror(tmp_path / "mirror", "shop/lines.txt", OTHER)
    second = csv(checksum=hashlib.sha256(OTHER).hexdigest(), path="shop/lines.txt.gz")
    assert acquire("shop", [csv(server.url("data.csv")), second], mirrored).source == second


def test_a_repacked_archive_with_the_right_member_is_verified(tmp_path: Path, mirrored: Folders) -> None:
    archive = tmp_path / "mirror" / "ml" / "ml.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("ml/u.data", ROWS)
    checksum = Checksums(file="0" * 64, content=SHA256)
    source = Source(reader="csv", path="ml/ml.zip", options={"member": "ml/u.data"}, checksum=checksum)
    file = acquire("ml", [source], mirrored)
    assert (file.path.name, file.sha256, file.record.verified) == ("ml.zip", SHA256, True)


def test_a_wrong_file_is_refused_and_the_next_place_is_tried(folders: Folders, server: FileServer) -> None:
    server.files |= {"wrong": Served(OTHER), "right": Served(gzip.compress(ROWS))}
    notes = Notes()
    file = acquire(
        "shop", [csv(server.url("wrong"), server.url("missing"), server.url("right"))], folders, notes
    )
    assert file.record.address == server.url("right")
    assert "refused" in notes.said[0]
    assert SHA256 in notes.said[0]
    assert "404" in notes.said[1]
    assert left_behind(folders) == ["shop/shop/data.csv.gz", "shop/shop/data.csv.source.json"]


def test_a_bad_certificate_goes_on_to_the_next_place(
    tmp_path: Path, folders: Folders, server: FileServer
) -> None:
    server.files["data.csv"] = Served(ROWS)
    with running(FileServer(self_signed(tmp_path))) as untrusted:
        untrusted.files["data.csv"] = Served(ROWS)
        notes = Notes()
        file = acquire("shop", [csv(untrusted.url("data.csv"), server.url("data.csv"))], folders, notes)
    assert file.record.address == server.url("data.csv")
    assert "TLS certificate is not valid" in notes.said[0]


def test_the_last_word_lists_every_place_and_what_to_do(mirrored: Folders, server: FileServer) -> None:
    server.files["wrong"] = Served(OTHER)
    urls = [server.url("gone"), server.url("wrong")]
    with pytest.raises(LrbenchError) as caught:
        acquire("shop", [csv(*urls)], mirrored, Notes())
    assert caught.value.exit_code == 1
    lines = caught.value.cause.splitlines()
    assert lines[1] == f"  {mirrored.mirror}/shop/data.csv.gz: there is no such file"
    assert lines[2] == f"  {urls[0]}: 404 Not Found"
    assert lines[3].startswith(f"  {urls[1]}: refused: its content has SHA-256")
    assert "lrbench fetch shop --from FILE" in caught.value.remedy
    assert left_behind(mirrored) == []


def test_an_interrupt_leaves_a_part_and_nothing_that_looks_complete(
    folders: Folders, server: FileServer
) -> None:
    server.files["data.csv"] = Served(ROWS)
    source = csv(server.url("data.csv"))
    with pytest.raises(KeyboardInterrupt):
        acquire("shop", [source], folders, Notes(interrupt_at=100_000))
    assert left_behind(folders) == ["shop/shop/data.csv.part", "shop/shop/data.csv.part.json"]
    held = (folders.raw / "shop/shop/data.csv.part").stat().st_size
    assert acquire("shop", [source], folders).path.read_bytes() == ROWS
    assert server.requests[-1].headers["Range"] == f"bytes={held}-"
    assert left_behind(folders) == ["shop/shop/data.csv", "shop/shop/data.csv.source.json"]


def test_a_file_without_its_record_does_not_count_as_fetched(folders: Folders, server: FileServer) -> None:
    server.files["data.csv"] = Served(ROWS)
    in_mirror(folders.raw, "shop/shop/data.csv", OTHER)
    assert acquire("shop", [csv(server.url("data.csv"))], folders).path.read_bytes() == ROWS


def test_a_file_is_fetched_anew_when_the_catalogue_expects_another(
    folders: Folders, server: FileServer
) -> None:
    server.files["data.csv"] = Served(ROWS)
    acquire("shop", [csv(server.url("data.csv"))], folders)
    corrected = csv(server.url("data.csv"), checksum=hashlib.sha256(OTHER).hexdigest())
    assert held_sha256("shop", corrected, folders) == corrected.checksum.content
    server.files["data.csv"] = Served(OTHER, etag='"two"')
    assert acquire("shop", [corrected], folders).path.read_bytes() == OTHER


def test_an_unknown_checksum_is_said_and_noted(folders: Folders, server: FileServer) -> None:
    server.files["data.csv"] = Served(ROWS)
    notes = Notes()
    file = acquire("shop", [csv(server.url("data.csv"), checksum=None)], folders, notes)
    assert not file.record.verified
    assert file.record.notes == ("no checksum is known of this file",)
    assert SHA256 in notes.said[0]
    assert held_sha256("shop", file.source, folders) == SHA256


def test_what_one_dataset_fetched_does_not_change_the_form_of_another(
    folders: Folders, server: FileServer
) -> None:
    server.files |= {"lines": Served(OTHER), "data.csv": Served(ROWS)}
    lines = csv(server.url("lines"), checksum=None, path="lines.txt")
    acquire("lines", [lines], folders)
    assert acquire("shop", [csv(server.url("data.csv")), lines], folders).path.read_bytes() == ROWS


class TestGiven:
    def test_the_right_file_is_verified_whatever_its_name(self, tmp_path: Path, folders: Folders) -> None:
        other_form = csv(checksum="0" * 64, path="lines.txt")
        (tmp_path / "download (1)").write_bytes(gzip.compress(ROWS))
        file = acquire("shop", [other_form, csv()], folders, given=str(tmp_path / "download (1)"))
        assert file.source == csv()
        assert (file.path.name, file.record.verified, file.record.notes) == ("data.csv.gz", True, ())

    def test_a_wrong_file_is_used_with_a_warning_and_a_note(self, tmp_path: Path, folders: Folders) -> None:
        (tmp_path / "data.csv").write_bytes(OTHER)
        notes = Notes()
        given = str(tmp_path / "data.csv")
        file = acquire("shop", [csv(path="lines.txt"), csv()], folders, notes, given)
        assert file.source == csv()  # by its name
        assert not file.record.verified
        assert "given with --from" in file.record.notes[0]
        assert SHA256 in file.record.notes[0]
        assert notes.said[0].startswith(f"{given} is NOT verified as data.csv:")
        assert held_sha256("shop", csv(), folders) == hashlib.sha256(OTHER).hexdigest()
        assert acquire("shop", [csv()], folders) == file  # it stays until another is given

    def test_a_damaged_file_is_refused_and_replaces_nothing(
        self, tmp_path: Path, folders: Folders, server: FileServer
    ) -> None:
        server.files["data.csv"] = Served(ROWS)
        here = acquire("shop", [csv(server.url("data.csv"))], folders)
        (tmp_path / "data.csv.gz").write_bytes(gzip.compress(ROWS)[:50])
        with pytest.raises(LrbenchError, match="refused: it cannot be read") as caught:
            acquire("shop", [here.source], folders, given=str(tmp_path / "data.csv.gz"))
        told = "Give another file or address with --from. The dataset is as it was before."
        assert caught.value.remedy == told
        assert acquire("shop", [here.source], folders) == here

    def test_its_progress_has_its_own_name(self, tmp_path: Path, folders: Folders) -> None:
        (tmp_path / "mine.csv").write_bytes(ROWS)
        notes = Notes()
        acquire("shop", [csv()], folders, notes, given=str(tmp_path / "mine.csv"))
        assert {name for name, *_ in notes.advanced} == {"mine.csv"}

    def test_it_replaces_what_was_here(self, tmp_path: Path, folders: Folders, server: FileServer) -> None:
        server.files["data.csv"] = Served(ROWS)
        acquire("shop", [csv(server.url("data.csv"))], folders)
        (tmp_path / "data.csv").write_bytes(OTHER)
        assert acquire("shop", [csv()], folders, given=str(tmp_path / "data.csv")).path.read_bytes() == OTHER

    @pytest.mark.parametrize(
        ("reason", "told", "left"),
        [
            (UnfitError(RequestError("It cannot be read.")), RequestError, []),
            (FilterError("Nothing is left."), RequestError, []),
            (KeyboardInterrupt(), KeyboardInterrupt, ["shop/shop/data.csv.part"]),
        ],
        ids=["unfit", "filters", "interrupt"],
    )
    def test_it_is_tried_out_before_it_replaces_anything(
        self,
        tmp_path: Path,
        folders: Folders,
        server: FileServer,
        reason: BaseException,
        told: type[BaseException],
        left: list[str],
    ) -> None:
        server.files["data.csv"] = Served(ROWS)
        here = acquire("shop", [csv(server.url("data.csv"))], folders)
        before = left_behind(folders)
        (tmp_path / "orders.csv").write_bytes(OTHER)

        def refuse(file: AcquiredFile) -> None:
            assert (file.path.name, file.path.read_bytes()) == ("orders.csv", OTHER)
            assert here.path.read_bytes() == ROWS
            raise reason

        with pytest.raises(told):
            acquire("shop", [csv()], folders, given=str(tmp_path / "orders.csv"), try_out=refuse)
        assert acquire("shop", [csv()], folders).record == here.record
        assert here.path.read_bytes() == ROWS
        assert left_behind(folders) == sorted(before + left)

    def test_an_address_of_a_file(self, folders: Folders, server: FileServer) -> None:
        server.files["elsewhere/data.csv"] = Served(ROWS)
        file = acquire("shop", [csv(path="lines"), csv()], folders, given=server.url("elsewhere/data.csv"))
        assert (file.source, file.record.verified) == (csv(), True)

    @pytest.mark.parametrize("path", ["shop/data.csv.gz", "data.csv"])
    def test_a_folder_laid_out_as_a_mirror_or_flat(self, tmp_path: Path, folders: Folders, path: str) -> None:
        in_mirror(tmp_path / "files", path, ROWS)
        assert acquire("shop", [csv()], folders, given=str(tmp_path / "files")).record.verified

    @pytest.mark.parametrize("path", ["ml/u.data", "u.data"])
    def test_an_unpacked_archive(self, tmp_path: Path, folders: Folders, path: str) -> None:
        in_mirror(tmp_path / "files", path, ROWS)
        checksum = Checksums(file="0" * 64, content=SHA256)
        source = Source(reader="csv", path="ml/ml.zip", options={"member": "ml/u.data"}, checksum=checksum)
        assert acquire("ml", [source], folders, given=str(tmp_path / "files")).record.verified

    @pytest.mark.parametrize("member", ["u.data", "other/u.data", "a/b/u.data"])
    def test_an_archive_that_was_packed_again(self, tmp_path: Path, folders: Folders, member: str) -> None:
        with zipfile.ZipFile(tmp_path / "again.zip", "w") as packed:
            packed.writestr(member, ROWS)
            packed.writestr("other/README", "read me")
        checksum = Checksums(file="0" * 64, content=SHA256)
        source = Source(reader="csv", path="ml/ml.zip", options={"member": "ml/u.data"}, checksum=checksum)
        file = acquire("ml", [source], folders, given=str(tmp_path / "again.zip"))
        assert (file.sha256, file.record.verified) == (SHA256, True)

    def test_a_mirror_address(self, folders: Folders, server: FileServer) -> None:
        server.files["m/shop/data.csv"] = Served(ROWS)
        assert acquire("shop", [csv()], folders, given=server.url("m/")).record.verified

    def test_nothing_there_is_a_wrong_request(self, tmp_path: Path, folders: Folders) -> None:
        with pytest.raises(RequestError, match="There is no file or folder"):
            acquire("shop", [csv()], folders, given=str(tmp_path / "nowhere"))
        with pytest.raises(RequestError, match="There is no file or folder"):
            acquire("shop", [csv()], folders, given="a" * 5000)

    def test_generated_data_and_own_files_take_none(self, tmp_path: Path, folders: Folders) -> None:
        (tmp_path / "data.csv").write_bytes(ROWS)
        own = Source(reader="csv", path="data.csv", local=tmp_path / "data.csv")
        for sources in ([], [own]):
            with pytest.raises(RequestError, match="Leave out --from"):
                acquire("shop", sources, folders, given=str(tmp_path / "data.csv"))


class TestOwnFile:
    def test_it_is_used_where_it_lies_and_read_each_time(self, tmp_path: Path, folders: Folders) -> None:
        file = tmp_path / "shop.csv"
        source = Source(reader="csv", path="shop.csv", local=file)
        file.write_bytes(ROWS)
        assert acquire("shop", [source], folders).path == file
        assert held_sha256("shop", source, folders) == SHA256
        file.write_bytes(OTHER)
        assert held_sha256("shop", source, folders) == hashlib.sha256(OTHER).hexdigest()
        assert not folders.raw.exists()

    def test_a_missing_one_is_a_wrong_request(self, tmp_path: Path, folders: Folders) -> None:
        with pytest.raises(RequestError, match="There is no file"):
            acquire("shop", [Source(reader="csv", path="x", local=tmp_path / "x")], folders)

    def test_a_checksum_of_ones_own_is_kept_to(self, tmp_path: Path, folders: Folders) -> None:
        (tmp_path / "x").write_bytes(OTHER)
        source = Source(reader="csv", path="x", local=tmp_path / "x", checksum=Checksums(content=SHA256))
        with pytest.raises(LrbenchError, match="refused"):
            acquire("shop", [source], folders)


class TestSeveralAtOnce:
    def test_two_that_want_the_same_file_fetch_it_once(self, folders: Folders, server: FileServer) -> None:
        server.files["data.csv"] = Served(ROWS)
        start = Barrier(2, timeout=60)
        found = []

        def ask() -> None:
            start.wait()
            found.append(acquire("shop", [csv(server.url("data.csv"))], folders, Notes()))

        threads = [Thread(target=ask, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert found[0] == found[1]
        assert len(server.requests) == 1

    def test_one_that_fails_does_not_stop_the_others(self, folders: Folders, server: FileServer) -> None:
        server.files["data.csv"] = Served(ROWS)
        wanted = {"shop": [csv(server.url("data.csv"))], "gone": [csv(server.url("gone"), path="gone.csv")]}
        outcomes = acquire_all(wanted, folders)
        assert isinstance(outcomes["gone"], LrbenchError)
        assert not isinstance(outcomes["shop"], LrbenchError)
        assert outcomes["shop"].record.verified

    def test_an_interrupt_stops_them_all(self, folders: Folders, server: FileServer) -> None:
        server.files |= {name: Served(ROWS) for name in "abc"}
        wanted = {name: [csv(server.url(name), path=f"{name}.csv")] for name in "abc"}
        with pytest.raises(KeyboardInterrupt):
            run_at_once(
                {name: partial(acquire, name, sources, folders) for name, sources in wanted.items()},
                Notes(interrupt_at=50_000),
            )
        assert all(".part" in name for name in left_behind(folders))

    def test_ctrl_c_is_heeded_while_files_arrive(self, folders: Folders, server: FileServer) -> None:
        assert polars  # its own handler of SIGINT lets a plain wait go on
        server.files |= {name: Served(ROWS * 20, pace=0.1) for name in "abc"}  # six seconds each
        wanted = {name: [csv(server.url(name), path=f"{name}.csv")] for name in "abc"}

        def press() -> None:
            while len(server.requests) < 3:
                sleep(0.01)
            sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)

        Thread(target=press).start()
        start = monotonic()
        with pytest.raises(KeyboardInterrupt):
            acquire_all(wanted, folders)
        assert monotonic() - start < 3.0
        assert {name.rpartition("/")[2] for name in left_behind(folders)} == {
            f"{name}.csv.{end}" for name in "abc" for end in ("part", "part.json")
        }


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, server: FileServer) -> None:
    server.files["data.csv"] = Served(ROWS)
    (tmp_path / "raw").write_text("a file in the way", encoding="utf-8")
    with pytest.raises(LrbenchError, match="cannot be kept") as caught:
        acquire("shop", [csv(server.url("data.csv"))], Folders(tmp_path))
    assert "--data-dir" in caught.value.remedy
