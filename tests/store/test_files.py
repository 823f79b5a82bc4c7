from pathlib import Path

import pytest

from lrbench.store.files import new_folder, write_text


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


def test_text_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    write_text(path, "one")
    write_text(path, "two")
    assert path.read_text(encoding="utf-8") == "two"
    assert [found.name for found in path.parent.iterdir()] == ["file.json"]
