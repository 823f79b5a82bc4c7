from importlib import import_module
from pathlib import Path

import pytest

from lrbench.config.base import parse_config
from lrbench.config.protocol import Filters
from lrbench.data.catalogue import Catalogue, Source
from lrbench.data.catalogue_files import load_catalogue
from lrbench.data.own_files import add_user_file, remember_user_file, user_file
from lrbench.data.readers import READERS
from lrbench.errors import RequestError

MOVIELENS = ["100k", "1m", "10m", "20m", "25m", "32m", "latest-small"]
SEQUENCE_FILES = [f"s3rec-{name}" for name in ("beauty", "sports", "toys", "yelp", "lastfm")]


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return load_catalogue()


def written(folder: Path, text: str) -> Path:
    file = folder / "my.toml"
    file.write_text(text, encoding="utf-8")
    return file


class TestShipped:
    def test_every_release_and_edition_is_there(self, shipped: Catalogue) -> None:
        names = {f"ml-{name}" for name in MOVIELENS}
        names |= {*SEQUENCE_FILES, "sasrec-ml-1m", "sasrec-video", "sample", "amazon-2014-beauty"}
        assert names <= set(shipped.datasets)
        families = {
            ("amazon-2014-", "-ratings"): 24,
            ("amazon-2018-", "-ratings"): 29,
            ("amazon-2023-", "-raw"): 34,
            ("amazon-2023-", "-reviews"): 34,
        }
        for (start, end), count in families.items():
            found = [name for name in shipped.datasets if name.startswith(start) and name.endswith(end)]
            assert len(found) == count, (start, end)
        five_core = [
            name
            for name in shipped.datasets
            if name.startswith("amazon-2023-") and not name.endswith(("-raw", "-reviews"))
        ]
        assert len(five_core) == 28

    def test_every_source_can_be_had_and_read(self, shipped: Catalogue) -> None:
        for dataset in shipped.datasets.values():
            assert bool(dataset.sources) != dataset.generated, dataset.name
            for source in shipped.sources(dataset):
                assert source.urls, dataset.name
                assert all(url.startswith("https://") for url in source.urls), dataset.name
                assert "{" not in f"{source.path}{source.urls}{source.titles}", dataset.name
                module, kind = READERS[source.reader].split(":")
                reader = getattr(import_module(f"lrbench.data.readers.{module}"), kind)
                parse_config(reader, source.options, dataset.name)

    def test_every_dataset_says_its_edition_and_terms(self, shipped: Catalogue) -> None:
        for dataset in shipped.datasets.values():
            assert dataset.edition
            assert dataset.licence != "not stated", dataset.name

    def test_every_file_of_2023_is_pinned(self, shipped: Catalogue) -> None:
        for name, dataset in shipped.datasets.items():
            if name.startswith("amazon-2023-"):
                assert all(source.checksum.content for source in dataset.sources), name

    def test_checksums_are_not_mixed_up(self, shipped: Catalogue) -> None:
        pins = [
            s.checksum.content for d in shipped.datasets.values() for s in d.sources if s.checksum.content
        ]
        assert len(pins) == len(set(pins))

    def test_expected_sizes_of_the_benchmarks(self, shipped: Catalogue) -> None:
        expected = {
            "amazon-beauty": (22_363, 12_101, 198_502),
            "amazon-sports": (35_598, 18_357, 296_337),
            "amazon-toys": (19_412, 11_924, 167_597),
            "amazon-instruments": (1_429, 900, 10_261),
            "ml-100k": (943, 1_682, 100_000),
            "sasrec-ml-1m": (6_040, 3_416, 999_611),
            "amazon-2023-games": (94_762, 25_612, 814_586),
        }
        for name, sizes in expected.items():
            for source in shipped.sources(shipped.find(name)):
                raw = source.raw
                assert (raw.users, raw.items, raw.interactions) == sizes, (name, source.path)

    def test_beauty_has_the_reviews_first_and_sequence_files_after(self, shipped: Catalogue) -> None:
        sources = shipped.sources(shipped.find("amazon-beauty"))
        assert [source.reader for source in sources] == ["amazon-2014-json", "s3rec-lines", "s3rec-lines"]
        assert sources[0].path == "amazon-2014/reviews_Beauty_5.json.gz"
        assert [source.path for source in sources[1:]] == [
            "seq-amazon-2014/Beauty.with_intervals.txt.gz",
            "seq-amazon-2014/Beauty.txt.gz",
        ]

    def test_movielens_1m_has_sizes_of_each_form(self, shipped: Catalogue) -> None:
        official, sasrec = shipped.sources(shipped.find("ml-1m"))
        assert (official.raw.items, sasrec.raw.items) == (3_706, 3_416)

    @pytest.mark.parametrize("alias", ["amazon-beauty", "amazon-sports", "amazon-toys", "amazon-instruments"])
    def test_an_alias_says_which_edition_it_is(self, shipped: Catalogue, alias: str) -> None:
        told = shipped.describe(alias)
        assert told.startswith(f"{alias} = amazon-2014-")
        assert "Amazon product data 2014" in told

    def test_a_true_name_is_described_by_itself(self, shipped: Catalogue) -> None:
        assert shipped.describe("ml-1m").startswith("ml-1m: MovieLens 1M, February 2003")

    @pytest.mark.parametrize(
        ("name", "hint"), [("amazon-beuaty", "amazon-beauty"), ("ml1m", "ml-1m"), ("lastfm", "s3rec-lastfm")]
    )
    def test_a_wrong_name_gets_a_near_one(self, shipped: Catalogue, name: str, hint: str) -> None:
        with pytest.raises(RequestError, match=f'There is no dataset "{name}"') as caught:
            shipped.find(name)
        assert hint in caught.value.remedy


class TestOwn:
    def test_a_file_beside_the_catalogue(self, tmp_path: Path) -> None:
        text = """
        [dataset.my-shop]
        reader = "csv"
        path = "exports/shop.csv"
        options = { user = "customer", item = "sku", time = "when" }
        edition = "orders of 2025"
        filters = { k_core = 3 }
        """
        catalogue = load_catalogue(written(tmp_path, text))
        dataset = catalogue.find("my-shop")
        assert dataset.filters == Filters(k_core=3)
        assert dataset.sources[0].local == tmp_path / "exports" / "shop.csv"
        assert dataset.sources[0].options["user"] == "customer"
        assert catalogue.find("ml-1m")  # beside the shipped ones

    def test_a_file_in_the_home_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        text = '[dataset.shop]\nedition = "orders"\nreader = "csv"\npath = "~/shop.csv"\n'
        catalogue = load_catalogue(written(tmp_path, text))
        assert catalogue.find("shop").sources[0].local == tmp_path / "home" / "shop.csv"

    def test_links_that_go_round_in_a_circle(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        text = '[dataset.shop]\nedition = "orders"\nreader = "csv"\npath = "a/shop.csv"\n'
        try:
            local = load_catalogue(written(tmp_path, text)).find("shop").sources[0].local
        except RequestError as error:
            assert "its links go round in a circle" in error.cause
        else:  # since Python 3.13
            assert local is not None
            assert not local.is_file()

    def test_several_sources_fallbacks_and_aliases(self, tmp_path: Path) -> None:
        text = """
        [dataset.shop]
        edition = "orders"
        fallbacks = ["ml-100k"]
        [[dataset.shop.sources]]
        reader = "csv"
        path = "a/shop.csv.gz"
        urls = ["https://shop.invalid/shop.csv.gz"]
        [[dataset.shop.sources]]
        reader = "parquet"
        path = "shop.parquet"
        [alias]
        orders = "shop"
        """
        catalogue = load_catalogue(written(tmp_path, text))
        sources = catalogue.sources(catalogue.find("orders"))
        assert [source.local is None for source in sources[:3]] == [True, False, True]
        assert sources[0].stem == "a/shop.csv"
        assert sources[0].file_name == "shop.csv"
        assert sources[2] == catalogue.find("ml-100k").sources[0]

    def test_a_family(self, tmp_path: Path) -> None:
        text = """
        [[family]]
        name = "shop-{slug}"
        edition = "orders of {title}"
        reader = "csv"
        options = { user = "{category}_user" }
        path = "{category}.csv"
        urls = ["https://shop.invalid/{category}.csv"]
        filters = { k_core = 2 }
        [family.categories]
        Home_and_Garden = { raw = { users = 3 } }
        """
        dataset = load_catalogue(written(tmp_path, text)).find("shop-home-and-garden")
        source = dataset.sources[0]
        assert dataset.edition == "orders of Home and Garden"
        assert dataset.filters == Filters(k_core=2)
        assert source.urls == ("https://shop.invalid/Home_and_Garden.csv",)
        assert source.options == {"user": "Home_and_Garden_user"}
        assert source.raw.users == 3

    @pytest.mark.parametrize(
        ("text", "told", "hint"),
        [
            ('[dataset.x]\nraeder = "csv"', 'unknown option "raeder"', "reader"),
            ("[datasets.x]", 'unknown option "datasets"', "dataset"),
            ('[dataset.x]\nedition = "e"\nreader = "csv"', '"path" is missing', ""),
            ('[dataset.x]\nedition = "e"', "it has no source", "reader, path and urls"),
            ('[dataset.x]\nreader = "csv"\npath = "p"', '"edition" is missing', ""),
            ('[dataset."a/b"]\nedition = "e"\nreader = "csv"\npath = "p"', 'name = "a/b": a name begins', ""),
            (
                '[dataset.x]\nedition = "e"\nreader = "csv"\npath = "p"\nchecksum.content = "12"',
                'checksum.content = "12", but it must be of the form',
                "SHA-256",
            ),
            (
                '[dataset.x]\nedition = "e"\nreader = "csv"\npath = "p"\nraw = { user = 3 }',
                'unknown option "raw.user"',
                "users",
            ),
            (
                '[dataset.ml-1m]\nedition = "e"\nreader = "csv"\npath = "p"',
                "already a dataset",
                "another name",
            ),
            ('[alias]\nmine = "ml-2m"', 'no dataset "ml-2m"', "ml-"),
            ("[dataset", "is not valid TOML", ""),
            ('alias = "mine"', 'alias = "mine", but it must be a table', ""),
            ("[dataset]\nx = 3", "dataset.x = 3, but it must be a table", ""),
            (
                '[dataset.x]\nedition = "e"\nsources = "csv"',
                'sources = "csv", but it must be a list',
                'sources = ["csv"]',
            ),
            (
                '[dataset.x]\nedition = "e"\n[[dataset.x.sources]]\nreader = "csv"',
                'source 1: "path" is missing',
                "",
            ),
            ('[[family]]\nname = "x"', "is missing", ""),
        ],
    )
    def test_mistakes_are_said_in_a_sentence(self, tmp_path: Path, text: str, told: str, hint: str) -> None:
        with pytest.raises(RequestError) as caught:
            load_catalogue(written(tmp_path, text))
        assert told in caught.value.cause
        assert hint in caught.value.remedy

    @pytest.mark.parametrize(
        "path",
        [
            "/etc/passwd",
            "../../victim",
            "a/../../victim",
            "a/./b",
            "a//b",
            "",
            ".",
            "..",
            " ",
            "a/",
            "C:\\victim",
            "a\nb",
            "a\tb",
            f"a/{'b' * 201}",
            f"{'é' * 101}.csv",
        ],
    )
    @pytest.mark.parametrize("field", ["path", "titles"])
    def test_a_path_that_leads_out_of_the_data_folder_is_refused(self, field: str, path: str) -> None:
        if field == "titles" and not path:
            pytest.skip("no titles")
        fields = {"path": "p", "reader": "csv", "urls": ["http://h/p"], field: path}
        with pytest.raises(RequestError) as caught:
            parse_config(Source, fields, "a source")
        assert f"{field} = " in caught.value.cause

    @pytest.mark.parametrize("head", ["", "[[dataset.x.sources]]\n"])
    def test_no_form_of_a_catalogue_lets_such_a_path_pass(self, tmp_path: Path, head: str) -> None:
        source = 'reader = "csv"\npath = "../../victim"\nurls = ["http://h/p"]\n'
        with pytest.raises(RequestError, match="it must be relative"):
            load_catalogue(written(tmp_path, f'[dataset.x]\nedition = "e"\n{head}{source}'))

    def test_a_file_of_ones_own_may_be_anywhere(self, tmp_path: Path) -> None:
        for path in ("/somewhere/shop.csv", "../shop.csv"):
            text = f'[dataset.x]\nedition = "e"\nreader = "csv"\npath = "{path}"\n'
            assert load_catalogue(written(tmp_path, text)).find("x").sources[0].local.name == "shop.csv"

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ("generated = true", "only lrbench's own catalogue has generated data"),
            ('generated = true\nreader = "csv"\npath = "p"', "only lrbench's own catalogue"),
            (
                'reader = "csv"\npath = "p"\nurls = ["ftp://u:s3cret@h/p"]',
                '"ftp://h/p" is no http or https address',
            ),
            ('reader = "csv"\npath = "p"\nurls = ["file:///etc/passwd"]', "no http or https address"),
            ('reader = "csv"\npath = "p"\nlocal = "/etc/passwd"', 'unknown option "local"'),
            ('[[dataset.x.sources]]\nreader = "csv"\npath = "p"\nlocal = "/x"', 'unknown option "local"'),
            ('reader = "csv"\npath = "p"\nsize = 0', "size = 0"),
        ],
    )
    def test_what_a_catalogue_of_somebody_else_must_not_say(
        self, tmp_path: Path, fields: str, told: str
    ) -> None:
        with pytest.raises(RequestError) as caught:
            load_catalogue(written(tmp_path, f'[dataset.x]\nedition = "e"\n{fields}\n'))
        assert told in caught.value.cause
        assert "s3cret" not in str(caught.value)

    def test_a_missing_catalogue(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="cannot be read: No such file"):
            load_catalogue(tmp_path / "none.toml")


class TestRemembered:
    def test_a_file_given_once_is_known_from_then_on(self, tmp_path: Path) -> None:
        (tmp_path / "shop.csv").write_text("customer,sku\n", encoding="utf-8")
        own = user_file("shop", tmp_path / "shop.csv", {"user": "customer", "item": "sku"})
        kept = tmp_path / "own"
        catalogue = add_user_file(load_catalogue(user_files=kept), own, kept)
        assert catalogue.find("shop") == own
        remember_user_file(own, kept)
        assert load_catalogue(user_files=kept).find("shop") == own

    def test_it_may_be_given_anew_but_not_take_a_shipped_name(self, tmp_path: Path) -> None:
        (tmp_path / "shop.parquet").write_bytes(b"PAR1 is how every Parquet file begins")
        kept = tmp_path / "own"
        remember_user_file(user_file("shop", tmp_path / "shop.parquet", {"user": "a"}), kept)
        anew = user_file("shop", tmp_path / "shop.parquet", {"user": "b"})
        assert anew.sources[0].reader == "parquet"
        assert add_user_file(load_catalogue(user_files=kept), anew, kept).find("shop") == anew
        taken = user_file("ml-1m", tmp_path / "shop.parquet", {})
        with pytest.raises(RequestError, match='already a dataset "ml-1m"'):
            add_user_file(load_catalogue(), taken, kept)

    def test_wrong_requests(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="There is no file"):
            user_file("shop", tmp_path / "none.csv", {})
        with pytest.raises(RequestError, match=f"{tmp_path} is a folder"):
            user_file("shop", tmp_path, {})
        (tmp_path / "shop.csv").write_text("", encoding="utf-8")
        with pytest.raises(RequestError, match=r'name = "\.\./shop": a name begins'):
            user_file("../shop", tmp_path / "shop.csv", {})

    def test_a_damaged_entry_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "shop.json").write_text("{", encoding="utf-8")
        with pytest.raises(RequestError, match="damaged"):
            load_catalogue(user_files=tmp_path)

    def test_an_entry_that_fetches_or_generates_is_no_file_of_ones_own(self, tmp_path: Path) -> None:
        (tmp_path / "shop.csv").write_text("user,item\n", encoding="utf-8")
        own = user_file("shop", tmp_path / "shop.csv", {})
        fetching = own.sources[0].model_copy(update={"urls": ("http://h/x",)})
        for planted in (
            own.model_copy(update={"generated": True, "sources": ()}),
            own.model_copy(update={"sources": (fetching,)}),
            own.model_copy(update={"name": "another"}),
        ):
            (tmp_path / "shop.json").write_text(planted.model_dump_json(), encoding="utf-8")
            with pytest.raises(RequestError, match="damaged"):
                load_catalogue(user_files=tmp_path)
