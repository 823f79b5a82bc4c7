"""Preparation in many small parts gives what plain Python gives from all rows at once."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.config.protocol import Filters
from lrbench.data.dataset import Origin, write_prepared
from lrbench.data.preparation import in_pieces, spool
from lrbench.data.preparation.findings import copies_note
from lrbench.data.preparation.prepare import prepare
from lrbench.data.preparation.spool import Spool
from lrbench.data.readers import RawInteractions
from lrbench.data.readers.raw import COLUMNS
from lrbench.errors import FilterError, RequestError

ORIGIN = Origin(name="toy", edition="a toy", source="nowhere", source_sha256="00", reader="csv")
row = st.tuples(
    st.sampled_from("abcdefg"), st.sampled_from("abcxyz"), st.sampled_from([1.0, 4.0, 5.0]), st.integers(0, 4)
)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_READ_AT_ONCE", 3)
    monkeypatch.setattr(spool, "_SORTED_AT_ONCE", 4)
    monkeypatch.setattr(in_pieces, "_PIECE", 5)


def raw(rows) -> RawInteractions:
    """Rows that reach preparation as tables of two rows."""
    tables = [pl.LazyFrame(rows[at : at + 2], COLUMNS, orient="row") for at in range(0, len(rows), 2)]
    return RawInteractions(pl.concat(tables))


def plain(rows, filters: Filters):
    """Return the sequences, (item, rating, time), of each user, and rows after each step."""
    counts = [len(rows)]
    if filters.min_rating is not None:
        rows = [row for row in rows if row[2] >= filters.min_rating]
        counts.append(len(rows))
    rows = sorted(rows, key=lambda row: row[3])
    if filters.repeats == "first":
        seen = set()
        rows = [row for row in rows if not (row[:2] in seen or seen.add(row[:2]))]
        counts.append(len(rows))
    while True:
        users, items = Counter(row[0] for row in rows), Counter(row[1] for row in rows)
        left = [row for row in rows if min(users[row[0]], items[row[1]]) >= filters.k_core]
        if len(left) == len(rows):
            break
        rows = left
    sequences = {}
    for user, item, rating, time in rows:
        sequences.setdefault(user, []).append((item, rating, time))
    return sequences, [*counts, len(rows)]


@settings(max_examples=60)
@given(
    st.lists(row, min_size=1, max_size=60),
    st.sampled_from([None, 4.0]),
    st.sampled_from(["keep", "first"]),
    st.integers(1, 3),
)
def test_parts_give_what_all_rows_give(rows, min_rating, repeats, k_core) -> None:
    filters = Filters(min_rating=min_rating, repeats=repeats, k_core=k_core, keep_ratings=True)
    expected, counts = plain(rows, filters)
    if not expected:
        with pytest.raises(FilterError, match="Nothing is left"):
            prepare(raw(rows), ORIGIN, filters)
        return
    dataset = prepare(raw(rows), ORIGIN, filters)
    found = dataset.sequences
    columns = (dataset.item_ids.gather(found.items).to_list(), found.ratings.tolist(), found.times.tolist())
    flat = list(zip(*columns, strict=True))
    users = dataset.user_ids.to_list()
    assert [count.interactions for count in dataset.record.counts] == counts
    assert users == [user for user in dict.fromkeys(row[0] for row in rows) if user in expected]
    left = {item for sequence in expected.values() for item, _, _ in sequence}
    assert dataset.item_ids.to_list() == [
        item for item in dict.fromkeys(row[1] for row in rows) if item in left
    ]
    for number, user in enumerate(users):
        assert flat[found.offsets[number] : found.offsets[number + 1]] == expected[user]
    copies = len(rows) - len(set(rows))
    assert tuple(note for note in dataset.record.notes if "copies" in note) == copies_note(copies, len(rows))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.text(max_size=2), st.text(max_size=2)), min_size=1, max_size=40))
def test_numbers_follow_first_appearance(pairs) -> None:
    rows = [(user, item, None, None) for user, item in pairs]
    with ExitStack() as files:
        spooled = raw(rows).read_into(lambda: Spool(files, None))
        users, items = spooled.take_ids()
        parts = list(spooled.in_order())
    assert users.to_list() == list(dict.fromkeys(user for user, _ in pairs))
    assert items.to_list() == list(dict.fromkeys(item for _, item in pairs))
    found = [
        (users[int(user)], items[int(item)])
        for part in parts
        for user, item in zip(part.users, part.items, strict=True)
    ]
    assert found == sorted(pairs, key=lambda pair: users.to_list().index(pair[0]))
    assert spooled.rows_of_users.tolist() == [Counter(user for user, _ in pairs)[user] for user in users]
    assert not spooled.has_times
    assert not spooled.has_ratings


def test_nothing_is_left_in_the_scratch_folder(tmp_path, monkeypatch) -> None:
    rows = [(f"u{number % 5}", f"i{number % 3}", None, number) for number in range(30)]
    seen = []
    take = Spool.take
    monkeypatch.setattr(
        Spool, "take", lambda self, table: (take(self, table), seen.append(list(tmp_path.iterdir())))
    )
    prepare(raw(rows), ORIGIN, Filters(), tmp_path)
    assert seen
    assert not any(seen)  # not even in the middle: a process that is killed leaves nothing
    broken = [*rows, (None, "i", None, 1)]
    with pytest.raises(RequestError, match="row 31"):
        prepare(raw(broken), ORIGIN, Filters(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_other_parser_starts_over() -> None:
    good = [("a", "x", None, 1), ("b", "y", None, 2), ("a", "z", None, 3)]
    refused = replace(raw([*good, (None, "q", None, 4)]), reread=lambda: raw(good))
    dataset = prepare(refused, ORIGIN, Filters(k_core=0))
    assert dataset.record.counts[0].interactions == 3
    assert dataset.user_ids.to_list() == ["a", "b"]


def test_parts_give_the_same_files_as_one_part(tmp_path, monkeypatch) -> None:
    random = np.random.default_rng(0)
    rows = list(
        zip(
            *(random.integers(0, most, 300).astype(str).tolist() for most in (40, 30)),
            random.integers(1, 6, 300).astype(float).tolist(),
            random.integers(0, 90, 300).tolist(),
            strict=True,
        )
    )
    written = []
    for size in (4, 1 << 20):
        monkeypatch.setattr(spool, "_SORTED_AT_ONCE", size)
        folder = tmp_path / str(size)
        folder.mkdir()
        write_prepared(prepare(raw(rows), ORIGIN, Filters(repeats="first", k_core=3)), folder)
        written.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert written[0] == written[1]
