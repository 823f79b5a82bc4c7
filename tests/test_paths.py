from pathlib import Path

import pytest

from lrbench.errors import RequestError
from lrbench.paths import absolute, check_folder


def test_a_home_that_nobody_has_is_a_sentence() -> None:
    with pytest.raises(RequestError, match="leads nowhere: there is no such home folder"):
        absolute("~nobody-of-this-name/data")
    assert absolute("~") == Path.home().resolve()


def test_what_can_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "to").symlink_to(tmp_path)
    for path in (tmp_path, tmp_path / "new", tmp_path / "new" / "er", tmp_path / "to", tmp_path / "[a]*?"):
        check_folder(path)


def test_a_folder_whose_name_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"x\\udcff is not valid UTF-8\. Rename the folder"):
        check_folder(tmp_path / "x\udcff")


def test_what_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    wrong = [tmp_path / "file", tmp_path / "file" / "x", tmp_path / "loop" / "x", tmp_path / ("x" * 300)]
    for path in [*wrong, tmp_path / "loop"]:
        with pytest.raises(RequestError, match="folder"):
            check_folder(path)
