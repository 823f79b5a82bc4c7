import errno
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from lrbench.errors import RequestError
from lrbench.files import (
    check_writable,
    folder_for,
    new_file,
    new_folder,
    remove,
    rename,
    tidy_folder,
    write_text,
)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def group_umask() -> Iterator[None]:
    """The group may write new files, and others may only read them."""
    before = os.umask(0o002)
    yield
    os.umask(before)


def test_a_folder_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "trials" / "a"
    with new_folder(target) as folder:
        (folder / "x").write_text("1", encoding="utf-8")
        assert not target.exists()
    assert (target / "x").read_text(encoding="utf-8") == "1"


def test_an_error_leaves_nothing_new_and_the_old_untouched(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with new_folder(target) as folder:
        (folder / "x").write_text("old", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), new_folder(target) as folder:
        (folder / "x").write_text("new", encoding="utf-8")
        raise KeyboardInterrupt
    assert (target / "x").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_a_killed_writer_left_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from lrbench.files import new_folder\n"
        "with new_folder(Path(sys.argv[1])) as folder: (folder / 'x').touch(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a")], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a.")
    assert (left / "x").exists()
    (tmp_path / left.name.replace(".a.", ".a.b.")).mkdir()  # of another folder, which somebody may be writing
    with new_folder(tmp_path / "a"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"a", left.name.replace(".a.", ".a.b.")}


def test_text_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    write_text(path, "one")
    write_text(path, "two")
    assert path.read_text(encoding="utf-8") == "two"
    assert [found.name for found in path.parent.iterdir()] == ["file.json"]


@pytest.mark.usefixtures("group_umask")
def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "one")
    assert rights(tmp_path / "file") == 0o664
    with new_folder(tmp_path / "folder"):
        pass
    assert rights(tmp_path / "folder") == 0o775


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link, file = tmp_path / "link", tmp_path / "there" / "file"
    link.symlink_to("there/file")
    for text in ("new", "newer"):  # the file is made, then replaced
        write_text(link, text)
        assert link.is_symlink()
        assert file.read_text(encoding="utf-8") == text
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_text(pipe, "one")
    assert pipe.is_fifo()
    reader.join(10)
    assert read == [b"one"]
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_an_error_of_the_system_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "x.md", Path("/proc/x.md")):
        with pytest.raises(OSError) as caught:
            write_text(path, "one")
        assert caught.value.filename == str(path)


@pytest.mark.parametrize("make", [new_file, new_folder])
def test_a_full_disk_is_told_of_what_was_asked_for(
    make: Callable[[Path], AbstractContextManager[object]], tmp_path: Path
) -> None:
    """The system's error names no file. It would be taken for one of the standard output."""
    with pytest.raises(OSError, match="No space left") as caught, make(tmp_path / "new"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_an_error_of_another_file_names_that_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, new_file(tmp_path / "new"):
        (tmp_path / "source").open("rb")
    assert caught.value.filename == str(tmp_path / "source")


def test_a_folder_is_kept_only_with_something_in_it(tmp_path: Path) -> None:
    for content in ("", "x"):
        with folder_for(tmp_path / "a" / "b"):
            if content:
                (tmp_path / "a" / content).touch()
        assert [path.name for path in tmp_path.rglob("*")] == (["a", "x"] if content else [])


def test_a_folder_in_which_nothing_can_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "x", Path("/proc/x")):
        with pytest.raises(RequestError, match=f"Nothing can be written to {folder}: "):
            check_writable(folder)
    check_writable(tmp_path / "new" / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_link_that_leads_nowhere_cannot_become_a_folder(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to(tmp_path / "not mounted")
    for folder in (tmp_path / "results", tmp_path / "results" / "trials"):
        with pytest.raises(RequestError, match="No such file or directory"):
            check_writable(folder)


def test_a_writer_killed_between_two_renames_loses_nothing(tmp_path: Path) -> None:
    """The old folder is aside and the new one is not yet in its place."""
    aside, unfinished = (tmp_path / f".folder.0123abcd.{ending}" for ending in ("old", "part"))
    for folder, text in ((aside, "old"), (unfinished, "new")):
        folder.mkdir()
        (folder / "file").write_text(text, encoding="utf-8")
    tidy_folder(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert (tmp_path / "folder/file").read_text(encoding="utf-8") == "old"


def test_a_folder_is_whole_whenever_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the old folder is removed before the new one has its name."""
    path = tmp_path / "folder"
    path.mkdir()
    (path / "file").write_text("old", encoding="utf-8")
    seen, remove = list[str](), shutil.rmtree

    def look(folder: Path, **options: bool) -> None:
        seen.append((path / "file").read_text(encoding="utf-8"))
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", look)
    with new_folder(path) as folder:
        (folder / "file").write_text("new", encoding="utf-8")
    assert seen == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_of_a_link_only_the_link_is_removed(tmp_path: Path) -> None:
    (there := tmp_path / "there").mkdir()
    (there / "x").touch()
    for name in ("a", ".a.01234567.old", ".a.01234567.part"):
        (tmp_path / name).symlink_to(there)
    tidy_folder(tmp_path / "a")
    remove(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (there / "x").exists()


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_a_link_in_the_place_of_a_folder_is_replaced(tmp_path: Path, target: str) -> None:
    (there := tmp_path / "there").mkdir()
    (link := tmp_path / "a").symlink_to(tmp_path / target)
    with new_folder(link) as folder:
        (folder / "x").touch()
    assert not link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "there"]
    assert not list(there.iterdir())


@pytest.fixture
def two_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders between which the system renames nothing."""
    one, two, real = tmp_path / "one", tmp_path / "two", os.rename
    one.mkdir()
    two.mkdir()

    def within_a_disk(source: Path, target: Path) -> None:
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(source, target)

    monkeypatch.setattr(os, "rename", within_a_disk)
    return one, two


def test_what_moves_to_another_disk_is_copied_whole(two_disks: tuple[Path, Path]) -> None:
    one, two = two_disks
    (one / "folder").mkdir()
    for file in (one / "folder" / "x", one / "file"):
        file.write_text("1", encoding="utf-8")
    for name in ("folder", "file"):
        rename(one / name, two / name)
    assert not list(one.iterdir())
    assert (two / "folder" / "x").read_text(encoding="utf-8") == "1"
    assert (two / "file").read_text(encoding="utf-8") == "1"


def test_a_full_disk_leaves_all_where_it_was(
    two_disks: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = two_disks
    (one / "file").touch()

    def full(source: Path, target: Path) -> None:
        target.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OSError, match="No space left"):
        rename(one / "file", two / "file")
    assert [path.name for path in one.iterdir()] == ["file"]
    assert not list(two.iterdir())


def test_a_folder_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, synced, sync = tmp_path / "a", list[int](), os.fsync

    def watched(file: int) -> None:
        assert not target.exists()
        synced.append(os.fstat(file).st_ino)
        sync(file)

    monkeypatch.setattr(os, "fsync", watched)
    with new_folder(target) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "x").touch()
        (folder / "y").touch()
    made = (target, target / "inner", target / "inner" / "x", target / "y")
    assert sorted(synced) == sorted(path.stat().st_ino for path in made)
