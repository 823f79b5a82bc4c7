import httpx
import pytest

from lrbench.data.fetching.destinations import RedirectError, refuse_redirect


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("http://a.org/x", "https://b.org/y"),
        ("https://a.org/x", "https://cdn.a.org/y"),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:2/y"),
        ("http://10.0.0.1/x", "http://192.168.0.1/y"),
        ("https://a.org/x", "https://1.1.1.1/y"),
    ],
)
def test_redirects_that_are_followed(source: str, target: str) -> None:
    refuse_redirect(httpx.URL(source), httpx.URL(target))


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("https://a.org/x", "http://a.org/x", "not encrypted"),
        ("http://a.org/x", "ftp://a.org/x", "no http or https"),
        ("http://a.org/x", "http://localhost/x", "inside this network"),
        ("http://a.org/x", "http://u:p@127.0.0.1:8080/admin?key=1", "inside this network"),
        ("http://a.org/x", "http://169.254.169.254/latest", "inside this network"),
        ("http://a.org/x", "http://[::1]/x", "inside this network"),
        ("http://8.8.8.8/x", "http://10.1.2.3/x", "inside this network"),
    ],
)
def test_redirects_that_are_refused(source: str, target: str, told: str) -> None:
    with pytest.raises(RedirectError, match=told) as caught:
        refuse_redirect(httpx.URL(source), httpx.URL(target))
    assert "u:p" not in str(caught.value)
    assert "key" not in str(caught.value)
