"""No folder of stored outputs goes unread; the outputs of a folder are asked for in ``conftest.py``."""

from pathlib import Path

HERE = Path(__file__).parent


def test_every_folder_is_read_by_a_module() -> None:
    folders = {file.parent.name for file in HERE.glob("*/config.json")}
    modules = [file.read_text(encoding="utf-8") for file in HERE.glob("test_*.py") if file != Path(__file__)]
    assert folders
    assert {folder for folder in folders if not any(f'"{folder}"' in text for text in modules)} == set()
