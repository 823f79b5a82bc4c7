from pathlib import Path

import pytest

from lrbench.cli import fetch as module
from lrbench.cli.fetch import fetch
from lrbench.errors import CheckError, InterruptError, LrbenchError, RequestError

ROWS = "user,item,time\nann,tea,3\nann,milk,1\nbob,tea,2\nann,tea,4\n"

CATALOGUE = """
[dataset.shop-2025]
edition = "orders of 2025"
licence = "mine"
filters = { k_core = 0 }
reader = "csv"
options = { time = "time" }
path = "shop/shop.csv"
urls = ["http://127.0.0.1:9/shop.csv"]

[dataset.none-2025]
edition = "nowhere to be had"
reader = "csv"
path = "shop/none.csv"
urls = ["http://127.0.0.1:9/none.csv"]

[alias]
shop = "shop-2025"
"""


@pytest.fixture(autouse=True)
def mirror_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my.toml").write_text(CATALOGUE, encoding="utf-8")
    folder = tmp_path / "mirror" / "shop"
    folder.mkdir(parents=True)
    (folder / "shop.csv").write_text(ROWS, encoding="utf-8")
    monkeypatch.setenv("LRBENCH_MIRROR", str(folder.parent))
    monkeypatch.setenv("LRBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder.parent


def test_it_says_what_was_used_and_how_large_it_is(
    tmp_path: Path, mirror_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(["shop"], catalog=tmp_path / "my.toml")
    out, told = capsys.readouterr()
    assert out == ""
    lines = told.splitlines()
    assert "shop = shop-2025: orders of 2025" in lines
    assert "  terms: mine" in lines
    assert f"  taken from {mirror_folder}/shop/shop.csv (csv), checksum not compared" in lines
    assert "  source: 2 users, 2 items, 4 interactions" in lines
    assert "  note: no checksum is known of this file" in lines
    assert lines[-1].startswith(f"  prepared in {tmp_path}/data/prepared/shop-2025/")
    assert Path(lines[-1].removeprefix("  prepared in ")).is_dir()


def test_a_protocol_brings_its_own_filters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError, match="Nothing is left"):
        fetch(["shop"], protocol="loo-20", catalog=tmp_path / "my.toml")
    with pytest.raises(RequestError, match='no protocol "loo-21"'):
        fetch(["shop"], protocol="loo-21", catalog=tmp_path / "my.toml")


def test_one_that_fails_does_not_keep_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LrbenchError, match="none-2025 could not be fetched") as caught:
        fetch(["none-2025", "shop"], catalog=tmp_path / "my.toml")
    assert caught.value.exit_code == 1
    assert "orders of 2025" in capsys.readouterr().err


def test_failures_are_told_together() -> None:
    with pytest.raises(RequestError) as caught:
        module._raise_together([CheckError("One.", "First."), RequestError("Two.", "Second.")])
    assert caught.value.cause == "2 datasets could not be obtained.\nOne.\n  First.\nTwo.\n  Second."


def test_a_wrong_name_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match='no dataset "shap"') as caught:
        fetch(["shop", "shap"], catalog=tmp_path / "my.toml")
    assert "Did you mean shop" in caught.value.remedy
    assert not (tmp_path / "data").exists()


def test_one_file_cannot_be_given_for_two(tmp_path: Path, mirror_folder: Path) -> None:
    file = str(mirror_folder / "shop" / "shop.csv")
    with pytest.raises(RequestError, match="one file for several datasets"):
        fetch(["shop", "none-2025"], given=file, catalog=tmp_path / "my.toml")
    with pytest.raises(LrbenchError, match="none-2025 could not be fetched"):  # a folder may serve both
        fetch(["shop", "none-2025"], given=str(mirror_folder), catalog=tmp_path / "my.toml")


def test_a_file_of_ones_own_with_named_columns_is_known_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "orders.csv"
    row = "".join(f"{user};{item};{user + item}\n" for user in range(6) for item in range(6))
    file.write_text(f"customer;sku;when\n{row}", encoding="utf-8")
    columns = "user=customer,item=sku,time=when,separator=;"
    fetch(["orders"], given=str(file), columns=columns)
    assert "6 users, 6 items, 36 interactions" in capsys.readouterr().err
    fetch(["orders"])
    assert "orders: a file of your own, orders.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "given", "columns", "told"),
    [
        (["orders"], None, "user=a", "describes one file"),
        (["orders", "more"], "x.csv", "user=a", "describes one file"),
        (["orders"], "x.csv", "user", "is not understood"),
        (["orders"], "x.csv", "user=a", "There is no file"),
        (["orders"], "a" * 5000, "user=a", "There is no file"),
        (["orders"], "http://u:s3cret@h/x.csv", "user=a", "a file on this machine"),
    ],
)
def test_columns_that_make_no_sense(names: list[str], given: str | None, columns: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        fetch(names, given=given, columns=columns)


def test_a_file_of_ones_own_without_columns_is_told_to_name_them(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("customer,sku\na,b\n", encoding="utf-8")
    with pytest.raises(RequestError, match='no dataset "orders"') as caught:
        fetch(["orders"], given=str(file))
    assert "--columns user=A,item=B,time=C" in caught.value.remedy
    with pytest.raises(RequestError, match="See them all: lrbench list datasets"):
        fetch(["orders"])


def test_columns_that_the_file_does_not_have_leave_no_trace(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("customer,sku\na,b\n", encoding="utf-8")
    with pytest.raises(RequestError, match='no column "cust"'):
        fetch(["orders"], given=str(file), columns="user=cust,item=sku")
    assert not (tmp_path / "data").exists()
    with pytest.raises(RequestError, match='no dataset "orders"'):
        fetch(["orders"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("user,item\nann,tea\n", 'orders.csv has no column "time"'),
        ("user,item,time\nann,,3\n", "orders.csv, line 2: item is missing"),
        ("PK\x03\x04", "orders.csv is damaged"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_leaves_no_trace(
    content: str, told: str, tmp_path: Path
) -> None:
    """The catalogue has another name for the dataset's file."""
    file = tmp_path / "orders.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(LrbenchError, match=told) as caught:
        fetch(["shop"], given=str(file), catalog=tmp_path / "my.toml")
    assert "shop.csv" not in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_a_refused_file_leaves_what_was_there(tmp_path: Path) -> None:
    fetch(["shop"], catalog=tmp_path / "my.toml")
    before = sorted((tmp_path / "data").rglob("*"))
    (tmp_path / "orders.csv").write_text("user,item\nann,tea\n", encoding="utf-8")
    with pytest.raises(RequestError):
        fetch(["shop"], given=str(tmp_path / "orders.csv"), catalog=tmp_path / "my.toml")
    assert sorted((tmp_path / "data").rglob("*")) == before


def test_an_interrupt_ends_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lrbench.data.obtain.Library.obtain_all", interrupt)
    with pytest.raises(InterruptError, match="to go on from here") as caught:
        fetch(["shop"], catalog=tmp_path / "my.toml")
    assert caught.value.exit_code == 130


@pytest.mark.parametrize("path", ["{folder}/victim.txt", "../../../victim.txt"])
def test_a_catalogue_of_somebody_else_overwrites_nothing(tmp_path: Path, path: str) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("mine", encoding="utf-8")
    catalogue = tmp_path / "theirs.toml"
    catalogue.write_text(
        '[dataset.shop]\nedition = "e"\nreader = "csv"\nurls = ["http://127.0.0.1:9/payload"]\n'
        f'path = "{path.format(folder=tmp_path)}"\n',
        encoding="utf-8",
    )
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RequestError, match="it must be relative"):
        fetch(["shop"], catalog=catalogue)
    assert victim.read_text(encoding="utf-8") == "mine"
    assert sorted(tmp_path.rglob("*")) == before
