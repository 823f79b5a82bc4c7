"""Damage to what is kept in the data folder: it is noticed, reported and repaired, never trained on."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from file_server import FileServer, Notes, Served

from lrbench.config.protocol import Filters
from lrbench.data.catalogue_files import load_catalogue
from lrbench.data.dataset import DamagedError, load_prepared
from lrbench.data.folders import Folders
from lrbench.data.obtain import Library
from lrbench.errors import LrbenchError

NO_FILTER = Filters(k_core=0)
ROWS = "user,item,time\n" + "".join(f"u{n % 7},i{n % 5},{n}\n" for n in range(60))
CATALOGUE = """
[dataset.shop]
edition = "orders of 2025"
filters = {{ k_core = 0 }}
reader = "csv"
options = {{ time = "time" }}
path = "shop.csv"
urls = ["{server}shop.csv"]

[dataset.store]
edition = "orders of a store"
filters = {{ k_core = 0 }}
reader = "csv"
options = {{ time = "time" }}
path = "store.csv"
urls = ["{server}store.csv"]
"""

FILES = ("items.npy", "offsets.npy", "times.npy", "users.parquet", "items.parquet", "dataset.json")


@pytest.fixture
def library(tmp_path: Path, server: FileServer) -> Library:
    server.files |= {
        "shop.csv": Served(ROWS.encode()),
        "store.csv": Served(ROWS.replace("u1", "v1").encode()),
    }
    (tmp_path / "my.toml").write_text(CATALOGUE.format(server=server.url()), encoding="utf-8")
    return Library(Folders(tmp_path / "data"), load_catalogue(tmp_path / "my.toml"))


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) * 3 // 4] ^= 0x04
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def junk(file: Path) -> None:
    file.write_bytes(b"\x00\xff" * 300)


def make_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def make_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


DAMAGES = (flip_a_bit, cut, empty, junk, Path.unlink, make_a_folder, make_a_pipe)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_never_read_and_the_dataset_prepared_again(
    library: Library, name: str, damage: Callable[[Path], None]
) -> None:
    folder = library.obtain_folder("shop", NO_FILTER)
    before = load_prepared(folder)
    items = before.sequences.items.copy()  # what is mapped into memory changes with the file
    damage(folder / name)
    with pytest.raises(DamagedError) as caught:
        load_prepared(folder)
    assert "is damaged" in caught.value.cause
    assert name in caught.value.cause
    assert library.find_prepared("shop", NO_FILTER) is None
    notes = Notes()
    again = library.obtain("shop", NO_FILTER, notes)
    assert len(notes.said) == 1
    assert notes.said[0].startswith("The prepared shop is damaged: ")
    assert notes.said[0].endswith(". It is prepared again.")
    assert again.record == before.record
    assert np.array_equal(again.sequences.items, items)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("synthetic", True),
        ("verified", True),
        ("edition", "another"),
        ("counts", []),
        ("fingerprint", "f00d"),
    ],
)
def test_an_edited_record_is_damage(library: Library, field: str, value: object) -> None:
    folder = library.obtain_folder("shop", NO_FILTER)
    document = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    (folder / "dataset.json").write_text(json.dumps({**document, field: value}), encoding="utf-8")
    with pytest.raises(DamagedError, match=r"dataset\.json is not what was written"):
        load_prepared(folder)
    assert library.obtain("shop", NO_FILTER, Notes()).record.edition == "orders of 2025"


def test_a_record_of_an_earlier_version_is_prepared_again(library: Library) -> None:
    folder = library.obtain_folder("shop", NO_FILTER)
    document = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    for later in ("digests", "reader", "options", "own_clocks", "reading"):
        del document[later]
    (folder / "dataset.json").write_text(json.dumps(document), encoding="utf-8")
    notes = Notes()
    assert library.obtain("shop", NO_FILTER, notes).record.digests
    assert notes.said == [
        "The prepared shop was written by an earlier version of lrbench. It is prepared again."
    ]


def test_a_file_that_was_not_written_is_not_read(library: Library) -> None:
    folder = library.obtain_folder("shop", NO_FILTER)
    np.save(folder / "ratings.npy", np.ones(60))
    assert load_prepared(folder).sequences.ratings is None


def test_folders_of_two_datasets_that_were_swapped_are_noticed(library: Library, tmp_path: Path) -> None:
    shop, store = (library.obtain_folder(name, NO_FILTER) for name in ("shop", "store"))
    shop.rename(tmp_path / "aside")
    store.rename(shop)
    (tmp_path / "aside").rename(store)
    shutil.rmtree(library.folders.raw)  # without the raw files, nothing but the name tells
    assert library.find_prepared("shop", NO_FILTER) is None
    assert library.obtain("shop", NO_FILTER, Notes()).record.name == "shop"
    assert library.obtain("store", NO_FILTER, Notes()).record.name == "store"


def test_folders_of_two_filters_that_were_swapped_are_noticed(library: Library, tmp_path: Path) -> None:
    plain, first = (
        library.obtain_folder("shop", Filters(k_core=0, repeats=kind)) for kind in ("keep", "first")
    )
    plain.rename(tmp_path / "aside")
    first.rename(plain)
    (tmp_path / "aside").rename(first)
    assert library.find_prepared("shop", NO_FILTER) is None
    assert library.obtain("shop", NO_FILTER, Notes()).record.filters == NO_FILTER


def test_the_damaged_sample_is_generated_again(library: Library) -> None:
    folder = library.obtain_folder("sample", NO_FILTER)
    before = (folder / "items.npy").read_bytes()
    flip_a_bit(folder / "items.npy")
    notes = Notes()
    assert library.obtain_folder("sample", NO_FILTER, notes) == folder
    assert (folder / "items.npy").read_bytes() == before
    assert "items.npy" in notes.said[0]


@pytest.mark.parametrize("damage", [flip_a_bit, cut, empty, junk], ids=lambda damage: damage.__name__)
def test_a_damaged_raw_file_is_fetched_again(
    library: Library, server: FileServer, damage: Callable[[Path], None]
) -> None:
    before = library.obtain("shop", NO_FILTER)
    raw = library.folders.raw / "shop" / "shop.csv"
    damage(raw)
    notes = Notes()
    first = library.obtain("shop", Filters(k_core=1), notes)
    assert notes.said[0] == f"{raw} is damaged: it is fetched again."
    assert first.record.counts[0] == before.record.counts[0]
    assert raw.read_bytes() == ROWS.encode()
    assert len(server.requests) == 2


def test_a_damaged_raw_file_without_a_network_is_said_once_and_no_longer_counts(
    library: Library, server: FileServer
) -> None:
    library.obtain("shop", NO_FILTER)
    flip_a_bit(library.folders.raw / "shop" / "shop.csv")
    server.files.clear()
    with pytest.raises(LrbenchError, match="shop could not be fetched"):
        library.obtain("shop", Filters(k_core=1), Notes())
    assert not (library.folders.raw / "shop" / "shop.csv.source.json").exists()


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{",
        "[]",
        "null",
        '{"file": "../../../victim", "address": "a", "sha256": "0", "verified": true}',
        "9" * 5000,
    ],
)
def test_a_damaged_record_of_a_raw_file_means_that_it_is_not_here(
    library: Library, server: FileServer, record: str
) -> None:
    library.obtain("shop", NO_FILTER)
    (library.folders.raw / "shop" / "shop.csv.source.json").write_text(record, encoding="utf-8")
    library.obtain("shop", Filters(k_core=1), Notes())
    assert len(server.requests) == 2
