"""A split by time against a brute-force reading of the rule, by hand, and on real data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.config.protocol import PROTOCOLS, Protocol, TimeSplit
from lrbench.data.batches import TrainingData
from lrbench.data.dataset import Origin
from lrbench.data.preparation.prepare import prepare
from lrbench.data.readers import read
from lrbench.data.sequences import EvaluationView, Sequences
from lrbench.data.splitting import split
from lrbench.errors import RequestError

Event = tuple[int, int, float]  # item, time, rating


def protocol(**fields: Any) -> Protocol:
    return PROTOCOLS["time-50"].model_copy(update={"time": TimeSplit(**fields)})


def sequences(users: list[list[Event]], n_items: int) -> Sequences:
    flat = [event for events in users for event in events]
    return Sequences(
        items=np.array([item for item, _, _ in flat], dtype=np.int32),
        offsets=np.cumsum([0, *map(len, users)]),
        times=np.array([time for _, time, _ in flat], dtype=np.int64),
        n_items=n_items,
        ratings=np.array([rating for _, _, rating in flat], dtype=np.float64),
    )


def rows(view: EvaluationView) -> list[tuple[int, list[int], int]]:
    """User, history and target of every held-out item."""
    spans = zip(view.users, view.starts, view.stops, view.targets, strict=True)
    return [(int(user), view.items[start:stop].tolist(), int(target)) for user, start, stop, target in spans]


def trained(data: TrainingData) -> list[tuple[list[int], int]]:
    """History and item of every training target."""
    spans = zip(data.target_starts, data.target_at, strict=True)
    return [(data.view.items[start:at].tolist(), int(data.view.items[at])) for start, at in spans]


USERS = [
    [(0, 1, 5), (1, 2, 2), (2, 3, 5), (1, 10, 4), (3, 11, 5), (0, 20, 4), (2, 21, 3)],
    [(2, 4, 5), (0, 5, 4), (1, 19, 5)],
    [(4, 12, 5), (0, 13, 5)],
]
"""Cut at 10 and 20: items 3 and 4 are not in training."""


def test_by_hand() -> None:
    parts = split(sequences(USERS, 5), protocol(cuts=(10, 20), rating_above=3))
    # User 1's item 1 is rated 2 and so is no target, but stays in histories. Items 3 and 4 are dropped.
    assert trained(TrainingData(parts.train, 50)) == [([0, 1], 2), ([2], 0)]
    assert rows(parts.valid) == [(0, [0, 1, 2], 1), (1, [2, 0], 1)]
    assert rows(parts.test) == [(0, [0, 1, 2, 1], 0)]  # rated 3: the last of user 0 is none
    assert parts.test.not_ranked is not None
    assert parts.test.not_ranked.tolist() == [3, 4]


def test_a_shortest_history_is_asked_of_training_too() -> None:
    parts = split(sequences(USERS, 5), protocol(cuts=(10, 20), least_history=2, known_items=False))
    assert trained(TrainingData(parts.train, 50)) == [([0, 1], 2)]
    assert rows(parts.valid) == [(0, [0, 1, 2], 1), (0, [0, 1, 2, 1], 3), (1, [2, 0], 1)]
    assert parts.valid.not_ranked is None


def test_quantiles_cut_where_so_many_interactions_came_before() -> None:
    events = [[(place % 3, place, 5.0) for place in range(10)]]
    parts = split(sequences(events, 3), protocol(quantiles=(0.8, 0.9)))
    assert [len(parts.train.interactions), len(parts.valid), len(parts.test)] == [8, 1, 1]


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 5), st.integers(0, 20), st.sampled_from([1.0, 3.0, 5.0])), max_size=8
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 3),
    st.booleans(),
)
def test_every_target_is_what_the_rule_says(
    users: list[list[Event]], least_history: int, known_items: bool
) -> None:
    users = [sorted(events, key=lambda event: event[1]) for events in users]
    known = {item for events in users for item, time, _ in events if time < 7}
    expected: dict[str, list[tuple[list[int], int]]] = {"train": [], "valid": [], "test": []}
    for events in users:
        kept = [event for event in events if event[0] in known or not known_items]
        for place, (item, time, rating) in enumerate(kept):
            if place >= least_history and rating > 3:
                part = "train" if time < 7 else "valid" if time < 14 else "test"
                expected[part].append(([before for before, _, _ in kept[:place]], item))
    rules = protocol(cuts=(7, 14), rating_above=3, least_history=least_history, known_items=known_items)
    if not all(expected.values()):
        with pytest.raises(RequestError, match="targets here"):
            split(sequences(users, 6), rules)
        return
    parts = split(sequences(users, 6), rules)
    for kind in ("positions", "prefixes"):
        assert trained(TrainingData(parts.train, 4, kind)) == expected["train"]  # type: ignore[arg-type]
    for view, name in ((parts.valid, "valid"), (parts.test, "test")):
        assert [(history, target) for _, history, target in rows(view)] == expected[name]
    latest = max(int(parts.train.times[parts.train.interactions].max()), 0)  # type: ignore[index]
    assert latest < 7 <= int(parts.valid.times[parts.valid.stops].min())  # type: ignore[index]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": None}, "this data has no times"),
        ({"own_clocks": True}, "counts times from each user's own start"),
        ({"ratings": None}, "this data has no ratings"),
    ],
)
def test_data_that_cannot_be_split_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        split(replace(sequences(USERS, 5), **changes), protocol(cuts=(10, 20), rating_above=3))


def test_what_a_protocol_says_of_one_dataset() -> None:
    time_50 = PROTOCOLS["time-50"]
    games, discs, films = (
        time_50.of(name).time for name in ("amazon-2023-video-games", "amazon-2023-cds-and-vinyl", "ml-100k")
    )
    assert games is not None
    assert discs is not None
    assert films is not None
    assert games.cuts == discs.cuts == (1628643414042, 1658002729837)
    assert (games.least_history, discs.least_history, films.least_history) == (5, 10, 5)
    assert films.cuts is None
    assert PROTOCOLS["loo-20"].of("amazon-2023-video-games") == PROTOCOLS["loo-20"]


@pytest.mark.parametrize("fields", [{"cuts": (5, 5)}, {"quantiles": (0.9, 0.8)}, {"quantiles": (0.5, 1.0)}])
def test_points_out_of_order_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"after the first|between 0 and 1"):
        TimeSplit(**fields)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "reader", "file", "options", "targets"),
    [
        (
            "amazon-2023-all-beauty",
            "amazon-2023-csv",
            "amazon-2023/5core/rating_only/All_Beauty.csv.gz",
            {},
            (892, 43, 3),
        ),
        (
            "ml-100k",
            "movielens-tab",
            "ml-100k/ml-100k.zip",
            {"member": "ml-100k/u.data"},
            (41_669, 5_281, 5_328),
        ),
    ],
)
def test_real_data(
    mirror: Path, name: str, reader: str, file: str, options: dict[str, Any], targets: tuple[int, int, int]
) -> None:
    """The figures were counted from the raw files by other code."""
    origin = Origin(name=name, edition="", source="", source_sha256="", reader=reader)
    rules = PROTOCOLS["time-50"].of(name)
    prepared = prepare(read(reader, mirror / file, options), origin, rules.filters)
    parts = split(prepared.sequences, rules)
    counts = (TrainingData(parts.train, 50).n_targets, len(parts.valid), len(parts.test))
    assert counts == targets
