"""Preparation: worked by hand, against a naive reference, and on the real files with their known counts."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.config.protocol import PROTOCOLS, Filters
from lrbench.data.dataset import Origin, load_prepared, write_prepared
from lrbench.data.preparation.prepare import OWN_CLOCKS, fingerprint, prepare
from lrbench.data.readers import RawInteractions, read
from lrbench.data.readers.raw import COLUMNS
from lrbench.errors import RequestError

ORIGIN = Origin(name="toy", edition="a toy", source="nowhere", source_sha256="00", reader="csv")
NO_FILTERS = Filters(k_core=0)


def raw(rows, **fields):
    return RawInteractions(pl.LazyFrame(rows, schema=COLUMNS, orient="row"), **fields)


def as_lists(dataset):
    """Return ``{user id: [item ids]}``, in the dataset's order of users."""
    sequences = dataset.sequences
    names = dataset.item_ids.gather(sequences.items).to_list()
    bounds = zip(dataset.user_ids, sequences.offsets[:-1], sequences.offsets[1:], strict=True)
    return {user: names[start:stop] for user, start, stop in bounds}


def sizes(dataset):
    return [(count.users, count.items, count.interactions) for count in dataset.record.counts]


def naive(rows, filters):
    """Return what ``as_lists`` should give, by the definitions, in plain Python."""
    kept = [row for row in rows if filters.min_rating is None or row[2] >= filters.min_rating]
    kept.sort(key=lambda row: row[3] or 0)
    if filters.repeats == "first":
        seen = set()
        kept = [row for row in kept if not (row[:2] in seen or seen.add(row[:2]))]
    while True:
        users, items = Counter(row[0] for row in kept), Counter(row[1] for row in kept)
        enough = [r for r in kept if users[r[0]] >= filters.k_core and items[r[1]] >= filters.k_core]
        if len(enough) == len(kept):
            break
        kept = enough
    order = dict.fromkeys(row[0] for row in rows)
    lists = {user: [row[1] for row in kept if row[0] == user] for user in order}
    return {user: items for user, items in lists.items() if items}


rows_strategy = st.lists(
    st.tuples(
        st.sampled_from("abcd"), st.sampled_from("wxyz"), st.integers(1, 5).map(float), st.integers(0, 4)
    ),
    min_size=1,
    max_size=40,
)
filters_strategy = st.builds(
    Filters,
    min_rating=st.sampled_from([None, 2.0, 4.0]),
    repeats=st.sampled_from(["keep", "first"]),
    k_core=st.integers(0, 3),
)


@given(rows_strategy, filters_strategy, st.booleans())
def test_equals_the_naive_reference(rows, filters, timed):
    if not timed:
        rows = [(*row[:3], None) for row in rows]
    expected = naive(rows, filters)
    if not expected:
        with pytest.raises(RequestError, match="Nothing is left"):
            prepare(raw(rows), ORIGIN, filters)
        return
    dataset = prepare(raw(rows), ORIGIN, filters)
    assert as_lists(dataset) == expected
    assert list(as_lists(dataset)) == list(expected)  # the order of users too
    remaining = {item for items in expected.values() for item in items}
    appearance = dict.fromkeys(row[1] for row in rows)
    assert dataset.item_ids.to_list() == [item for item in appearance if item in remaining]
    assert (dataset.sequences.times is not None) == timed
    assert sizes(dataset)[-1] == (len(expected), len(remaining), sum(map(len, expected.values())))


def test_counts_after_every_step():
    rows = [
        ("a", "x", 5.0, 1),
        ("a", "x", 5.0, 2),
        ("a", "y", 4.0, 3),
        ("b", "x", 4.0, 1),
        ("b", "y", 1.0, 2),
    ]
    rows += [("b", "z", 4.0, 5)]
    dataset = prepare(raw(rows), ORIGIN, Filters(min_rating=4, repeats="first", k_core=1))
    assert [count.step for count in dataset.record.counts] == [
        "source",
        "rating at least 4",
        "earliest row of each user and item",
        "1-core",
    ]
    assert sizes(dataset) == [(2, 3, 6), (2, 3, 5), (2, 3, 4), (2, 3, 4)]
    assert as_lists(dataset) == {"a": ["x", "y"], "b": ["x", "z"]}
    assert dataset.sequences.times.tolist() == [1, 3, 1, 5]


def test_the_earliest_repeat_stays_where_it_was():
    rows = [("a", "x", None, 3), ("a", "y", None, 2), ("a", "x", None, 1), ("a", "y", None, 2)]
    dataset = prepare(raw(rows), ORIGIN, Filters(repeats="first", k_core=0))
    assert as_lists(dataset) == {"a": ["x", "y"]}
    assert dataset.sequences.times.tolist() == [1, 2]


def test_times_are_compared_in_64_bits():
    """Around these times float32 has a spacing of 128, so seconds 30 apart would be equal."""
    for start, step in ((1_700_000_000, 30), (1_700_000_000_000, 1)):
        rows = [("a", str(number), None, start + step * number) for number in (3, 1, 4, 0, 2)]
        assert as_lists(prepare(raw(rows), ORIGIN, NO_FILTERS)) == {"a": list("01234")}


def test_titles_stand_beside_the_items():
    titles = pl.DataFrame({"item": ["z", "x"], "title": ["Zed", "Ex"]})
    rows = [("a", "y", None, 1), ("a", "x", None, 2)]
    assert prepare(raw(rows, titles=titles), ORIGIN, NO_FILTERS).titles.to_list() == [None, "Ex"]
    assert prepare(raw(rows), ORIGIN, NO_FILTERS).titles.to_list() == [None, None]


def test_the_folder_gives_back_the_same(tmp_path):
    rows = [("ü", "x", None, 5), ("ü", "y", None, 4), ("b", "x", None, 1)]
    titles = pl.DataFrame({"item": ["x"], "title": ["π"]})
    dataset = prepare(raw(rows, titles=titles), ORIGIN, NO_FILTERS)
    write_prepared(dataset, tmp_path)
    loaded = load_prepared(tmp_path)
    assert loaded.record.model_copy(update={"digests": {}}) == dataset.record
    assert as_lists(loaded) == {"ü": ["y", "x"], "b": ["x"]}
    assert loaded.titles.to_list() == ["π", None]
    assert loaded.sequences.items.dtype == np.int32
    assert np.array_equal(loaded.sequences.times, [4, 5, 1])


def test_own_clocks_are_noted():
    rows = [("a", "x", None, 0)]
    assert prepare(raw(rows, own_clocks=True), ORIGIN, NO_FILTERS).record.notes == (OWN_CLOCKS,)
    assert prepare(raw(rows), ORIGIN, NO_FILTERS).record.notes == ()


def test_nothing_left_is_said_with_the_sizes():
    rows = [("a", "x", None, 1), ("a", "y", None, 2)]
    with pytest.raises(
        RequestError, match=r'of "toy" \(source: 2 interactions, 1 user, 2 items; 5-core: 0 interactions'
    ):
        prepare(raw(rows), ORIGIN, Filters())
    with pytest.raises(RequestError, match="holds no interactions"):
        prepare(raw([]), ORIGIN, Filters())


def test_a_rating_threshold_needs_ratings():
    with pytest.raises(RequestError, match="no ratings"):
        prepare(raw([("a", "x", None, 1)]), ORIGIN, Filters(min_rating=4))


def test_fingerprint_follows_what_shapes_the_sequences():
    same = [
        ORIGIN,
        Origin(
            name="other", edition="b", source="elsewhere", source_sha256="00", reader="csv", verified=True
        ),
        Origin(
            name="toy",
            edition="a toy",
            source="x",
            source_sha256="00",
            reader="csv",
            options={"titles": Path("a")},
        ),
    ]
    assert len({fingerprint(origin, Filters()) for origin in same}) == 1
    different = [
        (ORIGIN, Filters()),
        (ORIGIN, Filters(k_core=4)),
        (ORIGIN, Filters(min_rating=4)),
        (ORIGIN, Filters(repeats="first")),
        (Origin(name="toy", edition="a toy", source="x", source_sha256="01", reader="csv"), Filters()),
        (Origin(name="toy", edition="a toy", source="x", source_sha256="00", reader="parquet"), Filters()),
        (
            Origin(
                name="toy", edition="", source="x", source_sha256="00", reader="csv", options={"item": "i"}
            ),
            Filters(),
        ),
    ]
    assert len({fingerprint(*settings) for settings in different}) == len(different)


LOO_50, LOO_20 = PROTOCOLS["loo-50"].filters, PROTOCOLS["loo-20"].filters
BEAUTY = (22_363, 12_101, 198_502)

# Sizes after the 5-core; those of 2018 are not published and were counted by a plain Python loop.
REAL = [
    ("movielens-tab", "ml-100k/ml-100k.zip", LOO_50, (943, 1_349, 99_287)),
    ("recbole-inter", "ml-100k/ml-100k.inter", LOO_50, (943, 1_349, 99_287)),
    ("movielens-tab", "ml-100k/ml-100k.zip", Filters(min_rating=4), (938, 1_008, 54_413)),
    ("movielens-csv", "ml-latest-small/ml-latest-small.zip", LOO_50, (610, 3_650, 90_274)),
    ("movielens-colons", "ml-1m/ml-1m-newest20.zip", LOO_50, (1_656, 3_033, 198_704)),
    ("sasrec-pairs", "ml-1m/sasrec_ml-1m.txt.gz", LOO_50, (6_040, 3_416, 999_611)),
    ("amazon-2014-json", "amazon-2014/reviews_Musical_Instruments_5.json.gz", LOO_20, (1_429, 900, 10_261)),
    ("amazon-2018-csv", "amazon-2018/Magazine_Subscriptions.csv.gz", LOO_50, (326, 138, 2_236)),
    ("amazon-2018-csv", "amazon-2018/Magazine_Subscriptions.csv.gz", LOO_20, (294, 132, 2_027)),
    ("amazon-2018-json", "amazon-2018/All_Beauty_5.json.gz", LOO_50, (961, 49, 5_084)),
    ("amazon-2018-json", "amazon-2018/All_Beauty_5.json.gz", LOO_20, (137, 24, 686)),
    ("amazon-2023-csv", "amazon-2023/5core/rating_only/All_Beauty.csv.gz", LOO_20, (253, 356, 2_535)),
    ("s3rec-lines", "seq-amazon-2014/Beauty.txt.gz", LOO_20, BEAUTY),
    ("s3rec-lines", "seq-amazon-2014/Sports_and_Outdoors.txt.gz", LOO_50, (35_598, 18_357, 296_337)),
    ("s3rec-lines", "seq-amazon-2014/Toys_and_Games.txt.gz", LOO_50, (19_412, 11_924, 167_597)),
    ("lcrec-json", "seq-amazon-2014/LETTER_Beauty.inter.json.gz", LOO_20, BEAUTY),
    ("sasrec-pairs", "seq-amazon-2014/bert4rec_beauty.txt.gz", LOO_50, BEAUTY),  # same ratings, other filter
    ("lcrec-json", "seq-amazon-2018/LETTER_Instruments.inter.json.gz", LOO_20, (24_772, 9_922, 206_153)),
    ("lcrec-json", "seq-amazon-2018/MQL4GRec_Instruments.inter.json.gz", LOO_20, (17_112, 6_250, 136_226)),
]


@pytest.mark.real_data
@pytest.mark.parametrize(("reader", "file", "filters", "expected"), REAL, ids=[entry[1] for entry in REAL])
def test_real_counts(mirror, reader, file, filters, expected):
    assert sizes(prepare(read(reader, mirror / file, {}), ORIGIN, filters))[-1] == expected


@pytest.mark.real_data
def test_official_pairs_of_ml_1m_give_sasrec_s_items(mirror):
    """SASRec's file lacks only the movies with fewer than five ratings; every user has at least twenty."""
    path = mirror / "ml-1m/user_movie_pairs_official_order.txt.gz"
    options = {"header": False, "separator": ":", "user": 1, "item": 3}
    dataset = prepare(read("csv", path, options), ORIGIN, LOO_50)
    assert sizes(dataset) == [(6_040, 3_706, 1_000_209), (6_040, 3_416, 999_611)]


@pytest.mark.real_data
def test_shuffled_times_give_back_the_papers_sequences(mirror):
    """Beauty with real gaps and its rows reversed: sorting by time restores the papers' order, up to ties."""
    timed = read("s3rec-lines", mirror / "seq-amazon-2014/Beauty.with_intervals.txt.gz", {})
    turned = RawInteractions(timed.frame.reverse())
    expected = prepare(read("s3rec-lines", mirror / "seq-amazon-2014/Beauty.txt.gz", {}), ORIGIN, LOO_50)
    found = as_lists(prepare(turned, ORIGIN, LOO_50))
    ties = 0
    for user, items in as_lists(expected).items():
        assert sorted(found[user]) == sorted(items)
        ties += found[user] != items
    straight = as_lists(prepare(timed, ORIGIN, LOO_50))
    assert straight == as_lists(expected)  # file order settles the ties
    assert 0 < ties < len(found)
