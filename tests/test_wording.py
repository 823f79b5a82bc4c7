import pytest

from lrbench.wording import about, counted, duration, listed, numbered, some_of


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0015, "< 0.1 s"),
        (0.4, "0.4 s"),
        (43.21, "43.2 s"),
        (59.94, "59.9 s"),
        (59.99, "1 min"),
        (75, "1 min 15 s"),
        (600, "10 min"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h"),
        (2 * 3600 + 305, "2 h 5 min"),
        (9000, "2 h 30 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_rough_duration_is_hedged_once() -> None:
    assert (about(43.21), about(43.21, at_most=True)) == ("about 43.2 s", "at most about 43.2 s")
    assert (about(0.01), about(0.01, at_most=True)) == ("less than 0.1 s", "less than 0.1 s")


def test_counts_and_lists() -> None:
    assert (counted(1, "seed"), counted(0, "seed"), counted(12_000, "seed")) == (
        "1 seed",
        "0 seeds",
        "12,000 seeds",
    )
    assert (listed(["a"]), listed(["a", "b", "c"])) == ("a", "a, b and c")
    assert (some_of(list("abc"), 3), some_of(list("abc"), 2)) == ("a, b, c", "a, b and 1 more")


def test_numbers_in_a_row_become_a_range() -> None:
    assert numbered([3]) == "3"
    assert numbered([1, 2]) == "1, 2"
    assert numbered(range(1, 11)) == "1–10"
    assert numbered([7, 2, 1, 3, 11, 12]) == "1–3, 7, 11, 12"
