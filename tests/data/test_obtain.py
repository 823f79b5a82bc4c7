import json
import shutil
from collections.abc import Callable
from errno import EACCES, ENOSPC
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import polars as pl
import pytest
from file_server import FileServer, Notes, Served
from filelock import FileLock

from lrbench.config.protocol import PROTOCOLS, Filters
from lrbench.data.catalogue import Catalogue
from lrbench.data.catalogue_files import load_catalogue
from lrbench.data.dataset import load_prepared
from lrbench.data.folders import Folders, find_folders
from lrbench.data.obtain import Library
from lrbench.data.preparation import kept
from lrbench.errors import CheckError, FilterError, LrbenchError, RequestError

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
def library(tmp_path: Path, server: FileServer) -> Library:
    server.files["shop.csv"] = Served(ROWS.encode())
    (tmp_path / "my.toml").write_text(CATALOGUE.format(server=server.url()), encoding="utf-8")
    return Library(Folders(tmp_path / "data"), load_catalogue(tmp_path / "my.toml"))


def contents(folders: Folders) -> dict[str, bytes]:
    """Return every file of the data folder but locks, by its path."""
    files = (path for path in folders.data_dir.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folders.data_dir)): path.read_bytes() for path in files}


def test_from_a_name_to_sequences(library: Library, server: FileServer) -> None:
    assert library.find_prepared("shop", NO_FILTER) is None
    assert server.requests == []
    dataset = library.obtain("shop", NO_FILTER)
    assert dataset.user_ids.to_list() == ["ann", "bob"]
    assert dataset.item_ids[dataset.sequences.items.tolist()].to_list() == ["milk", "tea", "tea", "tea"]
    record = dataset.record
    assert record.name == "shop"
    assert record.source == f"{server.url('shop.csv')} (csv)"
    assert (record.counts[0].users, record.counts[0].items, record.counts[0].interactions) == (2, 2, 4)
    assert not record.verified
    assert record.notes == ("no checksum is known of this file",)


def test_what_is_prepared_is_used_again_without_a_network(library: Library, server: FileServer) -> None:
    folder = library.obtain_folder("shop", NO_FILTER)
    before = (folder / "dataset.json").stat().st_mtime_ns
    server.files.clear()
    assert library.obtain_folder("shop", NO_FILTER) == folder
    assert library.find_prepared("shop", NO_FILTER) == folder
    assert (folder / "dataset.json").stat().st_mtime_ns == before
    assert len(server.requests) == 1


def test_other_filters_are_another_preparation_of_the_same_file(library: Library, server: FileServer) -> None:
    plain = library.obtain("shop", NO_FILTER).record
    first = library.obtain("shop", Filters(k_core=0, repeats="first")).record
    assert (plain.final.interactions, first.final.interactions) == (4, 3)
    assert plain.fingerprint != first.fingerprint
    assert len(server.requests) == 1


def test_a_new_version_of_preparation_makes_it_anew(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = library.obtain_folder("shop", NO_FILTER)
    before = load_prepared(folder).record.fingerprint
    monkeypatch.setattr("lrbench.data.preparation.prepare.PREPARATION_VERSION", -1)
    assert library.find_prepared("shop", NO_FILTER) is None
    assert library.obtain("shop", NO_FILTER).record.fingerprint != before


def test_a_given_file_replaces_every_earlier_preparation(
    tmp_path: Path, library: Library, server: FileServer
) -> None:
    library.obtain("shop", NO_FILTER)
    library.obtain("shop", Filters(k_core=0, repeats="first"))
    (tmp_path / "other.csv").write_text(ROWS.replace("ann,milk,1", "ann,milk,9"), encoding="utf-8")
    given = library.obtain("shop", NO_FILTER, given=str(tmp_path / "other.csv"))
    assert given.item_ids[given.sequences.items.tolist()].to_list()[:3] == ["tea", "tea", "milk"]
    first = library.obtain("shop", Filters(k_core=0, repeats="first"))
    assert first.item_ids[first.sequences.items.tolist()].to_list()[:2] == ["tea", "milk"]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("content", "kind", "cause"),
    [
        ("please log in\n", RequestError, 'no column "user"'),
        (ROWS.replace("ann,milk,1", "ann,milk,noon"), RequestError, "other.csv, line 3"),
        (ROWS + "bob,milk,5\n", CheckError, "5 interactions instead of 4"),
    ],
    ids=["another form", "malformed", "another size"],
)
def test_a_given_file_that_cannot_be_prepared_changes_nothing(
    tmp_path: Path,
    library: Library,
    content: str,
    kind: type[LrbenchError],
    cause: str,
) -> None:
    folder = library.obtain_folder("shop", NO_FILTER)
    before = contents(library.folders)
    (tmp_path / "other.csv").write_text(content, encoding="utf-8")
    with pytest.raises(kind, match=cause) as caught:
        library.obtain("shop", NO_FILTER, Notes(), str(tmp_path / "other.csv"))
    assert caught.value.remedy.endswith("other.csv is not kept; the dataset is as it was before.")
    assert "remove" not in caught.value.remedy
    assert contents(library.folders) == before
    assert library.find_prepared("shop", NO_FILTER) == folder
    assert library.obtain("shop", Filters(k_core=1)).record.final.interactions == 4


def test_a_fallback_of_another_form_is_named(library: Library, server: FileServer) -> None:
    official = (
        Library(Folders(library.folders.data_dir / "a"), library.catalogue).obtain("shop", NO_FILTER).record
    )
    del server.files["shop.csv"]
    server.files["lines.txt"] = Served(b"1 7 8 8\n2 8\n")
    record = (
        Library(Folders(library.folders.data_dir / "b"), library.catalogue)
        .obtain("shop", NO_FILTER, Notes())
        .record
    )
    assert record.name == "shop"
    assert record.source.endswith("lines.txt (s3rec-lines)")
    assert "first form is csv" in record.notes[-1]
    assert record.fingerprint != official.fingerprint


def test_other_sizes_than_expected_fail_with_both(library: Library, server: FileServer) -> None:
    server.files["shop.csv"] = Served(ROWS.replace("bob", "ann").encode())
    with pytest.raises(CheckError, match="shop, raw: 1 users instead of 2") as caught:
        library.obtain("shop", NO_FILTER)
    assert "not verified" in caught.value.remedy
    assert not list(library.folders.prepared.rglob("dataset.json"))


def test_sizes_after_filters_are_compared_under_the_datasets_own_filters_only(
    tmp_path: Path, library: Library, server: FileServer
) -> None:
    file = tmp_path / "strict.toml"
    text = CATALOGUE.format(server=server.url()).replace(
        "prepared = { interactions = 4 }", "prepared = { items = 3 }"
    )
    file.write_text(text, encoding="utf-8")
    strict = Library(library.folders, load_catalogue(file))
    strict.obtain("shop", Filters(k_core=1))
    with pytest.raises(CheckError, match="shop, prepared: 2 items instead of 3"):
        strict.obtain("shop", NO_FILTER)


def test_sizes_that_a_catalogue_gives_later_are_compared_too(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text(ROWS, encoding="utf-8")
    entry = '[dataset.mine]\nedition = "orders"\nreader = "csv"\npath = "shop.csv"\nfilters.k_core = 0\n'
    file = tmp_path / "my.toml"

    def mine(sizes: str) -> Library:
        file.write_text(entry + sizes, encoding="utf-8")
        return Library(Folders(tmp_path / "data"), load_catalogue(file))

    folder = mine("").obtain_folder("mine", NO_FILTER)
    assert mine("raw.interactions = 4\n").find_prepared("mine", NO_FILTER) == folder
    for sizes, cause in (("raw.users = 3\n", "raw: 2 users"), ("prepared.items = 9\n", "prepared: 2 items")):
        assert mine(sizes).find_prepared("mine", NO_FILTER) is None
        with pytest.raises(CheckError, match=f"mine, {cause} instead of") as caught:
            mine(sizes).obtain("mine", NO_FILTER)
        assert caught.value.remedy.endswith("Correct the file, or the sizes in your catalogue.")
    assert mine("").find_prepared("mine", NO_FILTER) == folder


def test_an_unverified_file_is_kept_only_if_it_can_be_read(library: Library, server: FileServer) -> None:
    server.files["shop.csv"] = Served(b"please log in\n")
    with pytest.raises(RequestError, match=r'shop\.csv has no column "user"') as caught:
        library.obtain("shop", NO_FILTER)
    assert caught.value.remedy.endswith("The file was not verified and is not kept.")
    assert contents(library.folders) == {}
    server.files["shop.csv"] = Served(ROWS.encode())
    assert len(library.obtain("shop", NO_FILTER).user_ids) == 2


def test_an_unverified_file_of_which_filters_leave_nothing_is_kept(
    library: Library, server: FileServer
) -> None:
    with pytest.raises(FilterError, match="Nothing is left"):
        library.obtain("shop", Filters(k_core=9))
    library.obtain("shop", NO_FILTER)
    assert len(server.requests) == 1


def test_an_interrupt_while_an_unverified_file_is_read_keeps_what_arrived(
    library: Library, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(kept, "prepare", interrupt)
        library.obtain("shop", NO_FILTER)
    assert sorted(contents(library.folders)) == [
        "raw/shop/shop/shop.csv.part",
        "raw/shop/shop/shop.csv.part.json",
    ]
    assert len(library.obtain("shop", NO_FILTER).user_ids) == 2
    assert server.requests[-1].headers["Range"] == f"bytes={len(ROWS)}-"


def test_an_own_file_that_changed_is_prepared_anew(tmp_path: Path, library: Library) -> None:
    (tmp_path / "own.csv").write_text("user,item\na,x\n", encoding="utf-8")
    assert len(library.obtain("own", NO_FILTER).user_ids) == 1
    (tmp_path / "own.csv").write_text("user,item\na,x\nb,x\n", encoding="utf-8")
    assert library.find_prepared("own", NO_FILTER) is None
    assert len(library.obtain("own", NO_FILTER).user_ids) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text(ROWS.replace("bob", "cleo"), encoding="utf-8"),  # as many rows
        lambda path: path.write_text(ROWS[:40], encoding="utf-8"),
        lambda path: path.write_text("", encoding="utf-8"),
        lambda path: path.unlink(),
    ],
    ids=["other rows", "cut off", "emptied", "removed"],
)
def test_an_own_file_that_changes_while_it_is_read_is_refused(
    change: Callable[[Path], object], tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows would count as those of the content that was hashed."""
    own, read = tmp_path / "own.csv", kept.read
    own.write_text(ROWS, encoding="utf-8")

    def read_late(*arguments: object) -> object:
        change(own)
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(kept, "read", read_late)
        with pytest.raises(RequestError, match=r"own\.csv was changed while it was read"):
            library.obtain("own", NO_FILTER)
    own.write_text(ROWS, encoding="utf-8")
    assert len(library.obtain("own", NO_FILTER).user_ids) == 2


def test_an_interrupted_preparation_leaves_nothing(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(kept, "write_prepared", interrupt)
    with pytest.raises(KeyboardInterrupt):
        library.obtain("shop", NO_FILTER)
    assert not (library.folders.prepared / "shop").exists()


def test_two_at_once_prepare_once(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    prepare = kept.prepare
    monkeypatch.setattr(kept, "prepare", lambda *given: (calls.append(1), prepare(*given))[1])
    start = Barrier(2, timeout=60)
    found = []

    def ask() -> None:
        start.wait()
        found.append(library.obtain_folder("shop", NO_FILTER))

    threads = [Thread(target=ask, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found[0] == found[1]
    assert len(calls) == 1


def test_several_are_obtained_and_failures_told_apart(library: Library, server: FileServer) -> None:
    outcomes = library.obtain_all(["shop", "lines"], None, Notes())
    assert load_prepared(outcomes["shop"]).record.name == "shop"
    assert isinstance(outcomes["lines"], LrbenchError)
    assert library.obtain_all(["shop"], None, Notes()) == {"shop": outcomes["shop"]}
    with pytest.raises(RequestError):
        library.obtain_all(["shop", "nothing"], None, Notes())


def test_titles_are_read_where_the_mirror_has_them(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror" / "amazon-2018"
    mirror.mkdir(parents=True)
    review = {"reviewerID": "u", "asin": "b1", "overall": 5.0, "unixReviewTime": 1}
    (mirror / "Books_5.json").write_text(json.dumps(review) + "\n", encoding="utf-8")
    library = Library(Folders(tmp_path / "data", str(mirror.parent)), load_catalogue())
    name = "amazon-2018-books"
    plain = library.obtain(name, NO_FILTER)
    assert plain.titles.to_list() == [None]
    (mirror / "meta_Books.json").write_text('{"asin": "b1", "title": "Emma"}\n', encoding="utf-8")
    titled = library.obtain(name, NO_FILTER)
    assert titled.titles.to_list() == ["Emma"]
    assert titled.record.fingerprint == plain.record.fingerprint


def test_the_sample_is_generated_not_fetched(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    filters = PROTOCOLS["loo-50"].filters
    assert library.find_prepared("sample", filters) is None
    assert library.obtain("sample", filters).record.synthetic
    monkeypatch.setattr("lrbench.data.synthetic.sample.generate_sample", None)
    assert library.find_prepared("sample", filters) is not None  # it is found without generating it
    with pytest.raises(RequestError, match="generated"):
        library.obtain("sample", NO_FILTER, given="x.csv")


def test_the_data_folder_is_chosen_by_option_then_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_folders().data_dir.name == "lrbench"
    assert find_folders().mirror is None
    monkeypatch.setenv("LRBENCH_DATA", str(tmp_path / "environment"))
    monkeypatch.setenv("LRBENCH_MIRROR", "https://mirror.invalid")
    assert find_folders() == Folders(tmp_path / "environment", "https://mirror.invalid")
    assert find_folders(tmp_path / "option").data_dir == tmp_path / "option"


def test_a_data_folder_that_cannot_be_made_is_a_wrong_request(tmp_path: Path, library: Library) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RequestError, match="cannot be made"):
        Library(Folders(tmp_path / "file" / "data"), library.catalogue).obtain("shop", NO_FILTER)


class TestDataFolderThatCanOnlyBeRead:
    @pytest.fixture
    def read_only(self, library: Library, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, ...]:
        """Prepare two datasets, then let no lock be made."""
        prepared = tuple(library.obtain_folder(name, NO_FILTER) for name in ("sample", "shop"))

        def refuse(*_: object) -> None:
            raise PermissionError(EACCES, "Permission denied")

        monkeypatch.setattr("lrbench.data.fetching.locks.lock_on", refuse)
        return prepared

    def test_what_is_there_is_used(self, read_only: tuple[Path, ...], library: Library) -> None:
        found = tuple(library.obtain_folder(name, NO_FILTER) for name in ("sample", "shop"))
        assert found == read_only
        assert library.obtain_all(["sample", "shop"], NO_FILTER, Notes()) == {
            "sample": read_only[0],
            "shop": read_only[1],
        }

    @pytest.mark.parametrize(
        ("name", "folder"),
        [("sample", "prepared/sample"), ("shop", "prepared/shop"), ("lines", "raw/lines/shop")],
    )
    @pytest.mark.usefixtures("read_only")
    def test_what_is_not_there_is_a_wrong_request(
        self, library: Library, server: FileServer, name: str, folder: str
    ) -> None:
        server.files["lines.txt"] = Served(b"1 7 8 8\n2 8\n")
        with pytest.raises(RequestError) as caught:
            library.obtain(name, Filters(k_core=1))
        assert (
            caught.value.cause
            == f"{name} cannot be kept in {library.folders.data_dir / folder}: Permission denied."
        )
        assert "--data-dir" in caught.value.remedy
        assert "not verified" not in caught.value.remedy


def test_a_preparation_that_cannot_be_written_is_a_wrong_request(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(kept, "write_prepared", refuse)
    with pytest.raises(RequestError, match=r"shop cannot be kept in .*shop: No space left on device"):
        library.obtain("shop", NO_FILTER)


def test_a_second_process_says_that_it_waits(library: Library) -> None:
    folder = library.obtain_folder("shop", NO_FILTER)
    shutil.rmtree(folder)

    class Patient(Notes):
        def say(self, message: str) -> None:
            super().say(message)
            lock.release()

    notes = Patient()
    with FileLock(f"{folder}.lock", thread_local=False) as lock:
        assert library.obtain_folder("shop", NO_FILTER, notes) == folder
    assert notes.said == ["Another process is at work on shop; waiting for it."]


@pytest.mark.slow
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
        library = Library(Folders(tmp_path, str(mirror)), load_catalogue())
        for protocol, expected in (("loo-50", loo_50), ("loo-20", loo_20 or loo_50)):
            record = library.obtain(name, PROTOCOLS[protocol].filters).record
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
            library = Library(Folders(tmp_path / str(number), str(mirror)), catalogue)
            prepared.append(library.obtain(dataset.name, dataset.filters))
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
        dataset = Library(Folders(tmp_path / "d"), load_catalogue(tmp_path / "my.toml")).obtain(
            "newest-fifth", NO_FILTER
        )
        assert dataset.titles.filter(dataset.item_ids == "1").to_list() == ["Toy Story (1995)"]

    def test_a_table_of_ones_own(self, mirror: Path, tmp_path: Path) -> None:
        """The same rows as CSV, renamed, and as Parquet give the same sequences."""
        original = Library(Folders(tmp_path, str(mirror)), load_catalogue()).obtain(
            "recbole-ml-100k", NO_FILTER
        )
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
            own = Library(Folders(tmp_path), catalogue).obtain(f"t-{kind}", NO_FILTER)
            assert np.array_equal(own.sequences.items, original.sequences.items)
            assert np.array_equal(own.sequences.times, original.sequences.times)
