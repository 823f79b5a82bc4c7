import pytest

from lrbench.data.addresses import check_place, is_address, public_address
from lrbench.errors import RequestError


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("https://host/a/b.csv", "https://host/a/b.csv"),
        ("https://alice:s3cret@host/a?token=x#y", "https://host/a"),
        ("HTTP://alice@host:80/a", "HTTP://host:80/a"),
        ("http://a@b:c@d@host/a@b", "http://host/a@b"),
        ("https://host?key=/x@y", "https://host"),
        ("ftp://u:p@host/a", "ftp://host/a"),
        ("folder/a@b?c#d", "folder/a@b?c#d"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_its_secrets(place: str, shown: str) -> None:
    assert public_address(place) == shown


@pytest.mark.parametrize(
    "place", ["http://h/x", "HTTPS://h/x", "http://u:p@h/", "file.csv", "~/a b", "a:b", "1://x"]
)
def test_paths_and_web_addresses_are_places(place: str) -> None:
    check_place(place, "--from")
    assert is_address(place) == (place[:4].lower() == "http")


@pytest.mark.parametrize(
    "place",
    [
        "",
        " ",
        "http://",
        "https:///x",
        "http://u:p@/x",
        "ftp://h/x",
        "file:///etc/passwd",
        "s3://b",
        "http://:80/",
    ],
)
def test_other_schemes_and_addresses_without_a_host_are_none(place: str) -> None:
    with pytest.raises(RequestError, match="--from") as caught:
        check_place(place, "--from")
    assert "u:p" not in str(caught.value)
