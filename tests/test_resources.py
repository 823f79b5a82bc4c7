from pathlib import Path

import pytest

from lrbench import resources
from lrbench.errors import RequestError
from lrbench.resources import catalogue_file, find_suite, suite_names


def test_a_checkout_has_them_at_its_top() -> None:
    top = Path(resources.__file__).resolve().parents[1]
    assert catalogue_file() == top / "datasets.toml"
    assert "quickstart" in suite_names()
    assert suite_names()[-1].startswith("reference-")  # those for users come first


@pytest.mark.parametrize(
    "given", ["reference-toys", "suites/reference-toys.toml", "suites/reference/reference-toys.toml"]
)
def test_a_reference_suite_is_found_by_its_name(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_suite(given) == catalogue_file().parent / "suites" / "reference" / "reference-toys.toml"


def test_a_wheel_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = tmp_path / "lrbench" / "bundled"
    (bundled / "suites").mkdir(parents=True)
    (bundled / "suites" / "other.toml").write_text("", encoding="utf-8")
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "lrbench" / "resources.py"))
    assert catalogue_file() == bundled / "datasets.toml"
    assert suite_names() == ["other"]


def test_a_suite_is_a_file_here_or_a_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given in ("quickstart", "quickstart.toml", "suites/quickstart.toml"):
        assert find_suite(given) == catalogue_file().parent / "suites" / "quickstart.toml"
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "quickstart.toml").write_text("", encoding="utf-8")
    assert find_suite("suites/quickstart.toml") == Path("suites/quickstart.toml")


@pytest.mark.parametrize(
    ("given", "hint"), [("quikstart", "quickstart"), ("elsewhere/quickstart.toml", "quick")]
)
def test_an_unknown_suite_is_a_wrong_request(given: str, hint: str) -> None:
    with pytest.raises(RequestError, match="There is no suite") as caught:
        find_suite(given)
    assert hint in caught.value.remedy
