import json
from errno import EACCES, ENOSPC
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import polars as pl
import pytest
from file_server import FileServer, Notes, Served
from filelock import FileLock

from lrbench.config.protocol import PROTOCOLS, Filters
from lrbench.data import obtain as library
from lrbench.data.catalogue import Catalogue, load_catalogue
from lrbench.data.dataset import load_prepared
from lrbench.data.folders import Folders, find_folders
from lrbench.data.obtain import find_prepared_folder, obtain, obtain_all, obtain_folder
from lrbench.errors import CheckError, LrbenchError, RequestError

NO_FILTER = Filters(k_core=0)
ROWS = "user,item,time\nann,tea,3\nann,milk,1\nbob,tea,2\nann,tea,4\n"

CATALOGUE = """
[dataset.shop]
edition = "orders of 2025"
filters = {{ k_core = 0 }}
fallbacks = ["lines"]
reader = "csv"
options = {{ time = "time" }}
path = "shop/shop.csv.gz"
urls = ["{server}shop.csv"]
raw = {{ users = 2, items = 2, interactions = 4 }}
prepared = {{ interactions = 4 }}

[dataset.lines]
edition = "the same in lines"
filters = {{ k_core = 0 }}
reader = "s3rec-lines"
path = "shop/lines.txt"
urls = ["{server}lines.txt"]

[dataset.own]
edition = "a file of mine"
filters = {{ k_core = 0 }}
reader = "csv"
path = "own.csv"
"""


@pytest.fixture
def catalogue(tmp_path: Path, server: FileServer) -> Catalogue:
    server.files["shop.csv"] = Served(ROWS.encode())
    (tmp_path / "my.toml").write_text(CATALOGUE.format(server=server.url()), encoding="utf-8")
    return load_catalogue(tmp_path / "my.toml")


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "data")


def contents(folders: Folders) -> dict[str, bytes]:
    """Return every file of the data folder but locks, by its path."""
    files = (path for path in folders.data_dir.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folders.data_dir)): path.read_bytes() for path in files}


def test_from_a_name_to_sequences(catalogue: Catalogue, folders: Folders, server: FileServer) -> None:
    assert find_prepared_folder("shop", NO_FILTER, folders, catalogue) is None
    assert server.requests == []
    dataset = obtain("shop", NO_FILTER, folders, catalogue)
    assert dataset.user_ids.to_list() == ["ann", "bob"]
    assert dataset.item_ids[dataset.sequences.items.tolist()].to_list() == ["milk", "tea", "tea", "tea"]
    record = dataset.record
    assert record.name == "shop"
    assert record.source == f"{server.url('shop.csv')} (csv)"
    assert (record.counts[0].users, record.counts[0].items, record.counts[0].interactions) == (2, 2, 4)
    assert not record.verified
    assert record.notes == ("no checksum is known of this file",)


def test_what_is_prepared_is_used_again_without_a_network(
    catalogue: Catalogue, folders: Folders, server: FileServer
) -> None:
    folder = obtain_folder("shop", NO_FILTER, folders, catalogue)
    before = (folder / "dataset.json").stat().st_mtime_ns
    server.files.clear()
    assert obtain_folder("shop", NO_FILTER, folders, catalogue) == folder
    assert find_prepared_folder("shop", NO_FILTER, folders, catalogue) == folder
    assert (folder / "dataset.json").stat().st_mtime_ns == before
    assert len(server.requests) == 1


def test_other_filters_are_another_preparation_of_the_same_file(
    catalogue: Catalogue, folders: Folders, server: FileServer
) -> None:
    plain = obtain("shop", NO_FILTER, folders, catalogue).record
    first = obtain("shop", Filters(k_core=0, repeats="first"), folders, catalogue).record
    assert (plain.final.interactions, first.final.interactions) == (4, 3)
    assert plain.fingerprint != first.fingerprint
    assert len(server.requests) == 1


def test_a_new_version_of_preparation_makes_it_anew(
    catalogue: Catalogue, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = obtain_folder("shop", NO_FILTER, folders, catalogue)
    before = load_prepared(folder).record.fingerprint
    monkeypatch.setattr("lrbench.data.preparation.prepare.PREPARATION_VERSION", -1)
    assert find_prepared_folder("shop", NO_FILTER, folders, catalogue) is None
    assert obtain("shop", NO_FILTER, folders, catalogue).record.fingerprint != before


def test_a_file_handed_over_replaces_every_earlier_preparation(
    tmp_path: Path, catalogue: Catalogue, folders: Folders, server: FileServer
) -> None:
    obtain("shop", NO_FILTER, folders, catalogue)
    obtain("shop", Filters(k_core=0, repeats="first"), folders, catalogue)
    (tmp_path / "other.csv").write_text(ROWS.replace("ann,milk,1", "ann,milk,9"), encoding="utf-8")
    handed = obtain("shop", NO_FILTER, folders, catalogue, handed=str(tmp_path / "other.csv"))
    assert handed.item_ids[handed.sequences.items.tolist()].to_list()[:3] == ["tea", "tea", "milk"]
    first = obtain("shop", Filters(k_core=0, repeats="first"), folders, catalogue)
    assert first.item_ids[first.sequences.items.tolist()].to_list()[:2] == ["tea", "milk"]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("content", "kind", "cause"),
    [
        ("please log in\n", RequestError, 'no column "user"'),
        (ROWS.replace("ann,milk,1", "ann,milk,noon"), RequestError, "shop.csv, line 3"),
        (ROWS + "bob,milk,5\n", CheckError, "5 interactions instead of 4"),
    ],
    ids=["another form", "malformed", "another size"],
)
def test_a_file_handed_over_that_cannot_be_prepared_changes_nothing(
    tmp_path: Path,
    catalogue: Catalogue,
    folders: Folders,
    content: str,
    kind: type[LrbenchError],
    cause: str,
) -> None:
    folder = obtain_folder("shop", NO_FILTER, folders, catalogue)
    before = contents(folders)
    (tmp_path / "other.csv").write_text(content, encoding="utf-8")
    with pytest.raises(kind, match=cause) as caught:
        obtain("shop", NO_FILTER, folders, catalogue, Notes(), str(tmp_path / "other.csv"))
    assert "the dataset is as it was before" in caught.value.remedy
    assert "remove" not in caught.value.remedy
    assert contents(folders) == before
    assert find_prepared_folder("shop", NO_FILTER, folders, catalogue) == folder
    assert obtain("shop", Filters(k_core=1), folders, catalogue).record.final.interactions == 4


def test_a_fallback_of_another_form_is_named(
    catalogue: Catalogue, folders: Folders, server: FileServer
) -> None:
    official = obtain("shop", NO_FILTER, Folders(folders.data_dir / "a"), catalogue).record
    del server.files["shop.csv"]
    server.files["lines.txt"] = Served(b"1 7 8 8\n2 8\n")
    record = obtain("shop", NO_FILTER, Folders(folders.data_dir / "b"), catalogue, Notes()).record
    assert record.name == "shop"
    assert record.source.endswith("lines.txt (s3rec-lines)")
    assert "first form is csv" in record.notes[-1]
    assert record.fingerprint != official.fingerprint


def test_other_sizes_than_expected_fail_with_both(
    catalogue: Catalogue, folders: Folders, server: FileServer
) -> None:
    server.files["shop.csv"] = Served(ROWS.replace("bob", "ann").encode())
    with pytest.raises(CheckError, match="shop, raw: 1 users instead of 2") as caught:
        obtain("shop", NO_FILTER, folders, catalogue)
    assert "not verified" in caught.value.remedy
    assert not list(folders.prepared.rglob("dataset.json"))


def test_sizes_after_filters_are_compared_under_the_datasets_own_filters_only(
    tmp_path: Path, catalogue: Catalogue, folders: Folders, server: FileServer
) -> None:
    file = tmp_path / "strict.toml"
    text = CATALOGUE.format(server=server.url()).replace(
        "prepared = { interactions = 4 }", "prepared = { items = 3 }"
    )
    file.write_text(text, encoding="utf-8")
    strict = load_catalogue(file)
    obtain("shop", Filters(k_core=1), folders, strict)
    with pytest.raises(CheckError, match="shop, prepared: 2 items instead of 3"):
        obtain("shop", NO_FILTER, folders, strict)


def test_an_unreadable_file_names_itself(catalogue: Catalogue, folders: Folders, server: FileServer) -> None:
    server.files["shop.csv"] = Served(b"please log in\n")
    with pytest.raises(RequestError) as caught:
        obtain("shop", NO_FILTER, folders, catalogue)
    assert str(folders.raw / "shop" / "shop" / "shop.csv") in caught.value.remedy


def test_an_own_file_that_changed_is_prepared_anew(
    tmp_path: Path, catalogue: Catalogue, folders: Folders
) -> None:
    (tmp_path / "own.csv").write_text("user,item\na,x\n", encoding="utf-8")
    assert len(obtain("own", NO_FILTER, folders, catalogue).user_ids) == 1
    (tmp_path / "own.csv").write_text("user,item\na,x\nb,x\n", encoding="utf-8")
    assert find_prepared_folder("own", NO_FILTER, folders, catalogue) is None
    assert len(obtain("own", NO_FILTER, folders, catalogue).user_ids) == 2


def test_a_damaged_preparation_is_made_anew(catalogue: Catalogue, folders: Folders) -> None:
    folder = obtain_folder("shop", NO_FILTER, folders, catalogue)
    (folder / "dataset.json").write_text("{}", encoding="utf-8")
    assert find_prepared_folder("shop", NO_FILTER, folders, catalogue) is None
    assert len(obtain("shop", NO_FILTER, folders, catalogue).user_ids) == 2


def test_an_interrupted_preparation_leaves_nothing(
    catalogue: Catalogue, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "write_prepared", interrupt)
    with pytest.raises(KeyboardInterrupt):
        obtain("shop", NO_FILTER, folders, catalogue)
    assert [path for path in (folders.prepared / "shop").iterdir() if path.suffix != ".lock"] == []


def test_two_at_once_prepare_once(
    catalogue: Catalogue, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    prepare = library.prepare
    monkeypatch.setattr(library, "prepare", lambda *given: (calls.append(1), prepare(*given))[1])
    start = Barrier(2)
    found = []

    def ask() -> None:
        start.wait()
        found.append(obtain_folder("shop", NO_FILTER, folders, catalogue))

    threads = [Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert len(calls) == 1


def test_several_are_obtained_and_failures_told_apart(
    catalogue: Catalogue, folders: Folders, server: FileServer
) -> None:
    outcomes = obtain_all(["shop", "lines"], None, folders, catalogue, Notes())
    assert load_prepared(outcomes["shop"]).record.name == "shop"
    assert isinstance(outcomes["lines"], LrbenchError)
    assert obtain_all(["shop"], None, folders, catalogue, Notes()) == {"shop": outcomes["shop"]}
    with pytest.raises(RequestError):
        obtain_all(["shop", "nothing"], None, folders, catalogue, Notes())


def test_titles_are_read_where_the_mirror_has_them(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror" / "amazon-2018"
    mirror.mkdir(parents=True)
    review = {"reviewerID": "u", "asin": "b1", "overall": 5.0, "unixReviewTime": 1}
    (mirror / "Books_5.json").write_text(json.dumps(review) + "\n", encoding="utf-8")
    folders = Folders(tmp_path / "data", str(mirror.parent))
    name, catalogue = "amazon-2018-books", load_catalogue()
    plain = obtain(name, NO_FILTER, folders, catalogue)
    assert plain.titles.to_list() == [None]
    (mirror / "meta_Books.json").write_text('{"asin": "b1", "title": "Emma"}\n', encoding="utf-8")
    titled = obtain(name, NO_FILTER, folders, catalogue)
    assert titled.titles.to_list() == ["Emma"]
    assert titled.record.fingerprint == plain.record.fingerprint


def test_the_sample_is_generated_not_fetched(folders: Folders) -> None:
    dataset = obtain("sample", PROTOCOLS["loo-50"].filters, folders, load_catalogue())
    assert dataset.record.synthetic
    assert find_prepared_folder("sample", PROTOCOLS["loo-50"].filters, folders, load_catalogue()) is not None
    with pytest.raises(RequestError, match="generated"):
        obtain("sample", NO_FILTER, folders, load_catalogue(), handed="x.csv")


def test_the_data_folder_is_chosen_by_option_then_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_folders().data_dir.name == "lrbench"
    assert find_folders().mirror is None
    monkeypatch.setenv("LRBENCH_DATA", str(tmp_path / "environment"))
    monkeypatch.setenv("LRBENCH_MIRROR", "https://mirror.invalid")
    assert find_folders() == Folders(tmp_path / "environment", "https://mirror.invalid")
    assert find_folders(tmp_path / "option").data_dir == tmp_path / "option"


def test_a_data_folder_that_cannot_be_made_is_a_wrong_request(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RequestError, match="cannot be made"):
        obtain("shop", NO_FILTER, Folders(tmp_path / "file" / "data"), catalogue)


class TestDataFolderThatCanOnlyBeRead:
    @pytest.fixture
    def read_only(
        self, catalogue: Catalogue, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[Path, ...]:
        """Prepare two datasets, then let no lock be made."""
        prepared = tuple(obtain_folder(name, NO_FILTER, folders, catalogue) for name in ("sample", "shop"))

        def refuse(*_: object) -> None:
            raise PermissionError(EACCES, "Permission denied")

        monkeypatch.setattr("lrbench.data.fetching.locks.FileLock", refuse)
        return prepared

    def test_what_is_there_is_used(
        self, read_only: tuple[Path, ...], catalogue: Catalogue, folders: Folders
    ) -> None:
        found = tuple(obtain_folder(name, NO_FILTER, folders, catalogue) for name in ("sample", "shop"))
        assert found == read_only
        assert obtain_all(["sample", "shop"], NO_FILTER, folders, catalogue, Notes()) == {
            "sample": read_only[0],
            "shop": read_only[1],
        }

    @pytest.mark.parametrize(
        ("name", "folder"),
        [("sample", "prepared/sample"), ("shop", "prepared/shop"), ("lines", "raw/lines/shop")],
    )
    @pytest.mark.usefixtures("read_only")
    def test_what_is_not_there_is_a_wrong_request(
        self, catalogue: Catalogue, folders: Folders, server: FileServer, name: str, folder: str
    ) -> None:
        server.files["lines.txt"] = Served(b"1 7 8 8\n2 8\n")
        with pytest.raises(RequestError) as caught:
            obtain(name, Filters(k_core=1), folders, catalogue)
        assert (
            caught.value.cause == f"{name} cannot be kept in {folders.data_dir / folder}: Permission denied."
        )
        assert "--data-dir" in caught.value.remedy
        assert "not verified" not in caught.value.remedy


def test_a_preparation_that_cannot_be_written_is_a_wrong_request(
    catalogue: Catalogue, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(library, "write_prepared", refuse)
    with pytest.raises(RequestError, match=r"shop cannot be kept in .*shop: No space left on device"):
        obtain("shop", NO_FILTER, folders, catalogue)


def test_a_second_process_says_that_it_waits(catalogue: Catalogue, folders: Folders) -> None:
    folder = obtain_folder("shop", NO_FILTER, folders, catalogue)
    (folder / "dataset.json").unlink()

    class Patient(Notes):
        def pause(self, seconds: float) -> None:
            lock.release()

    notes = Patient()
    with FileLock(f"{folder}.lock") as lock:
        assert obtain_folder("shop", NO_FILTER, folders, catalogue, notes) == folder
    assert notes.said == ["Another process is at work on shop; waiting for it."]


@pytest.mark.real_data
class TestRealData:
    """Every edition at hand: sizes before and after the 5-core of ``loo-50`` and ``loo-20``."""

    @pytest.mark.parametrize(
        ("name", "reader", "raw", "loo_50", "loo_20"),
        [
            ("ml-100k", "movielens-tab", (943, 1682, 100_000), (943, 1349, 99_287), None),
            ("recbole-ml-100k", "recbole-inter", (943, 1682, 100_000), (943, 1349, 99_287), None),
            ("ml-latest-small", "movielens-csv", (610, 9724, 100_836), (610, 3650, 90_274), None),
            ("ml-1m", "sasrec-pairs", (6040, 3416, 999_611), (6040, 3416, 999_611), None),
            ("amazon-instruments", "amazon-2014-json", (1429, 900, 10_261), (1429, 900, 10_261), None),
            (
                "amazon-2018-magazine-subscriptions-ratings",
                "amazon-2018-csv",
                (72_098, 2428, 89_689),
                (326, 138, 2236),
                (294, 132, 2027),
            ),
            ("amazon-2018-all-beauty", "amazon-2018-json", (991, 85, 5269), (961, 49, 5084), (137, 24, 686)),
            ("amazon-2023-all-beauty", "amazon-2023-csv", (253, 356, 2535), (253, 356, 2535), None),
            ("amazon-beauty", "s3rec-lines", (22_363, 12_101, 198_502), (22_363, 12_101, 198_502), None),
            ("amazon-sports", "s3rec-lines", (35_598, 18_357, 296_337), (35_598, 18_357, 296_337), None),
            ("amazon-toys", "s3rec-lines", (19_412, 11_924, 167_597), (19_412, 11_924, 167_597), None),
            ("letter-beauty", "lcrec-json", (22_363, 12_101, 198_502), (22_363, 12_101, 198_502), None),
            ("letter-instruments", "lcrec-json", (24_772, 9922, 206_153), (24_772, 9922, 206_153), None),
            ("mql4grec-instruments", "lcrec-json", (17_112, 6250, 136_226), (17_112, 6250, 136_226), None),
            ("bert4rec-beauty", "sasrec-pairs", (40_226, 54_542, 353_962), (22_363, 12_101, 198_502), None),
        ],
    )
    def test_sizes(self, mirror: Path, tmp_path: Path, name, reader, raw, loo_50, loo_20) -> None:
        folders, catalogue = Folders(tmp_path, str(mirror)), load_catalogue()
        for protocol, expected in (("loo-50", loo_50), ("loo-20", loo_20 or loo_50)):
            record = obtain(name, PROTOCOLS[protocol].filters, folders, catalogue).record
            first, final = record.counts[0], record.final
            assert record.source.endswith(f"({reader})")
            assert record.verified
            assert (first.users, first.items, first.interactions) == raw
            assert (final.users, final.items, final.interactions) == expected

    @pytest.mark.parametrize("name", ["beauty", "sports", "toys"])
    def test_time_gaps_change_no_sequence(self, mirror: Path, tmp_path: Path, name: str) -> None:
        dataset = load_catalogue().find(f"s3rec-{name}")
        prepared = []
        for number, source in enumerate(dataset.sources):
            one_form = dataset.model_copy(update={"sources": (source,)})
            catalogue = Catalogue({dataset.name: one_form}, {})
            folders = Folders(tmp_path / str(number), str(mirror))
            prepared.append(obtain(dataset.name, dataset.filters, folders, catalogue))
        gaps, plain = prepared
        assert np.array_equal(gaps.sequences.items, plain.sequences.items)
        assert np.array_equal(gaps.sequences.offsets, plain.sequences.offsets)
        assert (gaps.sequences.times is not None, plain.sequences.times) == (True, None)

    def test_movielens_1m_in_the_official_form(self, mirror: Path, tmp_path: Path) -> None:
        """The newest fifth of the official rows, as a dataset of one's own."""
        (tmp_path / "my.toml").write_text(
            f"""
            [dataset.newest-fifth]
            edition = "the 200,042 newest rows of MovieLens 1M"
            reader = "movielens-colons"
            options = {{ member = "ml-1m/ratings.dat" }}
            path = "{mirror}/ml-1m/ml-1m-newest20.zip"
            raw = {{ users = 1783, items = 3511, interactions = 200042 }}
            """,
            encoding="utf-8",
        )
        dataset = obtain(
            "newest-fifth", NO_FILTER, Folders(tmp_path / "d"), load_catalogue(tmp_path / "my.toml")
        )
        assert dataset.titles.filter(dataset.item_ids == "1").to_list() == ["Toy Story (1995)"]

    def test_a_table_of_ones_own(self, mirror: Path, tmp_path: Path) -> None:
        """The same rows as CSV, renamed, and as Parquet give the same sequences."""
        original = obtain("recbole-ml-100k", NO_FILTER, Folders(tmp_path, str(mirror)), load_catalogue())
        table = pl.read_csv(mirror / "ml-100k" / "ml-100k.inter", separator="\t")
        table.columns = ["who", "what", "stars", "when"]
        table.write_csv(tmp_path / "t.csv")
        table.write_parquet(tmp_path / "t.parquet")
        columns = 'options = { user = "who", item = "what", rating = "stars", time = "when" }'
        text = "".join(
            f'[dataset.t-{kind}]\nedition = "t"\nreader = "{kind}"\npath = "t.{kind}"\n{columns}\n'
            for kind in ("csv", "parquet")
        )
        (tmp_path / "my.toml").write_text(text, encoding="utf-8")
        for kind in ("csv", "parquet"):
            catalogue = load_catalogue(tmp_path / "my.toml")
            own = obtain(f"t-{kind}", NO_FILTER, Folders(tmp_path), catalogue)
            assert np.array_equal(own.sequences.items, original.sequences.items)
            assert np.array_equal(own.sequences.times, original.sequences.times)
