"""Guards on datasets small enough to count by hand, and the overlap of rows by brute force."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.config.protocol import find_protocol
from lrbench.data.inspection import guards as guards_room
from lrbench.data.inspection.guards import find_guards, html_share, overlapping_rows
from lrbench.data.sequences import EvaluationView, Sequences, Split, TrainingView
from lrbench.data.splitting import split

PROTOCOL = find_protocol("loo-50")


def sequences(rows: list[list[int]], times: list[list[int]] | None = None) -> Sequences:
    return Sequences(
        items=np.concatenate(rows).astype(np.int32),
        offsets=np.cumsum([0, *map(len, rows)]),
        times=None if times is None else np.concatenate(times),
        n_items=10,
    )


def guards(rows: list[list[int]], times: list[list[int]] | None = None, titles: list[str | None] = ()):
    made = sequences(rows, times)
    return find_guards(made, split(made, PROTOCOL), pl.Series(list(titles), dtype=pl.String))


def test_by_hand() -> None:
    rows = [[0, 1, 2, 2], [3, 4, 5, 3], [6, 7, 8], [9, 9]]  # the last user is not evaluated
    times = [[1, 2, 3, 3], [1, 2, 3, 4], [5, 6, 6], [7, 7]]
    found = guards(rows, times, ["a", "b", "a", None, "c", None])
    assert found.repeat_last == pytest.approx(1 / 3)
    assert found.target_in_history == pytest.approx(2 / 3)
    assert found.target_time_tied == pytest.approx(2 / 3)
    assert found.copies == pytest.approx(2 / 13)  # 2 at time 3, and 9 at time 7
    assert found.equal_titles == pytest.approx(2 / 4)
    assert found.overlapping_rows is None  # no row has five items


def test_what_cannot_be_known() -> None:
    found = guards([[0, 1], [2, 3]])
    assert found.model_dump() == dict.fromkeys(found.model_dump())


def test_a_row_overlaps_with_rows_of_others_only() -> None:
    assert guards([[0, 1, 2, 3, 4, 5], [9, 8, 7, 6, 5, 4]]).overlapping_rows == 0
    # The training part of the second row is 9 2 3 4, of which 2 3 4 is half of the first row.
    assert guards([[0, 1, 2, 3, 4, 5], [9, 2, 3, 4, 6, 7]]).overlapping_rows == 1 / 2
    assert guards([[0, 1, 2, 3, 4, 5], [9, 2, 3, 6, 4, 7]]).overlapping_rows == 0
    assert guards([[0, 1, 2, 3, 4, 5]] * 4).overlapping_rows == 1


def test_a_user_s_own_training_row_is_told_by_the_user_and_not_by_its_place() -> None:
    """User 1 alone has a training row, as in a split by time."""
    items = np.arange(6, dtype=np.int32)
    start, stop = np.array([0]), np.array([5])
    for owner, share in ((1, 0), (0, 1)):
        train = TrainingView(items, start, stop, 10, users=np.array([owner]))
        test = EvaluationView(items, np.array([1]), start, stop, items[5:], 10)
        assert overlapping_rows(Split(train=train, valid=test, test=test)) == share


def test_rows_that_are_compared_are_drawn_from_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first 200 of 400 rows are alike, and the others share no item with any row."""
    monkeypatch.setattr(guards_room, "ROWS", 100)
    rows = [list(range(6))] * 200 + [list(range(6 * row, 6 * row + 6)) for row in range(1, 201)]
    made = Sequences(np.concatenate(rows).astype(np.int32), np.arange(401) * 6, None, 6 * 201)
    assert overlapping_rows(split(made, PROTOCOL)) == pytest.approx(1 / 2, abs=0.15)


def brute_force(rows: list[list[int]]) -> float | None:
    tested = [(user, row) for user, row in enumerate(rows) if len(row) >= 5]
    trained = [(user, row[:-2] if len(row) >= 3 else row) for user, row in enumerate(rows)]

    def within(block: list[int], row: list[int]) -> bool:
        return any(row[start : start + len(block)] == block for start in range(len(row)))

    flags = []
    for user, row in tested:
        half = (len(row) + 1) // 2
        blocks = [row[start : start + half] for start in range(len(row) - half + 1)]
        flags.append(
            any(within(block, other) for block in blocks for owner, other in trained if owner != user)
        )
    return float(np.mean(flags)) if flags else None


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=5))
def test_overlap_equals_brute_force(rows: list[list[int]]) -> None:
    assert overlapping_rows(split(sequences(rows), PROTOCOL)) == brute_force(rows)


@pytest.mark.parametrize(
    ("titles", "share"),
    [
        (['<span class="a-size-medium a-color', "Heat", "I <3 NY", None], 1 / 3),
        (["A < B > C", "x<br/>y"], 1 / 2),
        ([None, None], None),
    ],
)
def test_scraps_of_web_pages_among_titles(titles: list[str | None], share: float | None) -> None:
    assert html_share(pl.Series(titles, dtype=pl.String)) == share
