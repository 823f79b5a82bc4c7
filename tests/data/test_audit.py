"""The audit on a dataset small enough to do by hand, and on real ones."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_data import leave_one_out

from lrbench.config.protocol import PROTOCOLS, Filters
from lrbench.data.audit import audit, find_leakage
from lrbench.data.dataset import Origin, PreparedDataset
from lrbench.data.preparation.prepare import prepare
from lrbench.data.readers import RawInteractions, read
from lrbench.data.readers.raw import COLUMNS
from lrbench.data.sequences import Sequences

ORIGIN = Origin(name="toy", edition="a toy", source="nowhere", source_sha256="00", reader="csv")


def audited(rows, **fields):
    frame = pl.LazyFrame(rows, schema=COLUMNS, orient="row")
    return audit(prepare(RawInteractions(frame, **fields), ORIGIN, Filters(k_core=0)), PROTOCOLS["loo-50"])


# Training parts: a has p q (times 1, 2), b has p p (5, 6), c has r (9), d has q (0; too short to be tested).
ROWS = [("a", item, None, time) for item, time in (("p", 1), ("q", 2), ("r", 3), ("p", 4))]
ROWS += [("b", item, None, time) for item, time in (("p", 5), ("p", 6), ("q", 8), ("s", 8))]
ROWS += [("c", item, None, time) for item, time in (("r", 9), ("s", 9), ("r", 9))]
ROWS += [("d", "q", None, 0)]


def test_by_hand():
    found = audited(ROWS)
    assert found.evaluated_users == 3
    assert found.last_two_tied == pytest.approx(2 / 3)  # b and c of a, b, c
    assert found.repeats == pytest.approx(3 / 12)  # a's second p, b's second p, c's second r
    assert found.unseen_targets == pytest.approx(1 / 3)  # s, which b has to be predicted for
    assert found.sequence_length.median == 3.5
    assert found.sequence_length.maximum == 4
    assert found.item_popularity.mean == 3
    assert found.item_popularity.minimum == 2


def test_leakage_by_hand():
    """Training times are 1 2 | 5 6 | 9 | 0; targets are at 4 (p), 8 (s) and 9 (r)."""
    leakage = audited(ROWS).leakage
    assert leakage.targets == pytest.approx(2 / 3)  # nothing is later than 9
    # Later than 4: 5, 6 and 9 of the 4 that are not a's; later than 8: 9 of the 4 that are not b's.
    assert leakage.training == pytest.approx((3 / 4 + 1 / 4 + 0) / 3)
    assert leakage.same_item == pytest.approx(1 / 3)  # b has p at 5 and 6, after a's target p at 4


@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=6), min_size=1, max_size=6), st.data())
def test_leakage_equals_brute_force(times, data):
    times = [sorted(row) for row in times]
    items = [data.draw(st.lists(st.integers(0, 4), min_size=len(row), max_size=len(row))) for row in times]
    sequences = Sequences(
        items=np.concatenate(items).astype(np.int32),
        offsets=np.cumsum([0, *map(len, times)]),
        times=np.concatenate(times),
        n_items=5,
    )
    found = find_leakage(leave_one_out(sequences))
    training = [
        (user, item, time)
        for user, (bought, at) in enumerate(zip(items, times, strict=True))
        for item, time in list(zip(bought, at, strict=True))[: -2 if len(at) >= 3 else None]
    ]
    targets = [
        (user, bought[-1], at[-1])
        for user, (bought, at) in enumerate(zip(items, times, strict=True))
        if len(at) >= 3
    ]
    if not targets:
        assert found is None
        return
    shares, hits, same = [], [], []
    for user, item, time in targets:
        others = [row for row in training if row[0] != user]
        later = [row for row in others if row[2] > time]
        shares.append(len(later) / max(len(others), 1))
        hits.append(bool(later))
        same.append(any(row[1] == item for row in later))
    assert found.training == pytest.approx(np.mean(shares))
    assert (found.targets, found.same_item) == (np.mean(hits), np.mean(same))


def test_without_times_nothing_about_times_is_known():
    found = audited([(user, item, None, None) for user, item, _, _ in ROWS])
    assert found.last_two_tied is None
    assert found.leakage is None
    assert found.unseen_targets is not None


def test_times_of_own_clocks_are_not_compared_between_users():
    found = audited(ROWS, own_clocks=True)
    assert found.leakage is None
    assert found.last_two_tied == pytest.approx(2 / 3)


def test_nobody_to_evaluate():
    found = audited([("a", "p", None, 1), ("b", "p", None, 2)])
    assert found.evaluated_users == 0
    assert found.last_two_tied is found.unseen_targets is found.leakage is found.order is None


def audit_file(mirror, reader, file, protocol="loo-50"):
    filters = PROTOCOLS[protocol].filters
    return audit(prepare(read(reader, mirror / file, {}), ORIGIN, filters), PROTOCOLS["loo-50"])


@pytest.mark.real_data
def test_ml_100k(mirror):
    found = audit_file(mirror, "movielens-tab", "ml-100k/ml-100k.zip")
    assert found.evaluated_users == 943
    assert found.last_two_tied == pytest.approx(416 / 943)
    assert found.repeats == 0
    assert found.leakage.targets > 0.99
    assert found.order.ratio > 1.5


@pytest.mark.real_data
def test_repeats_of_2018(mirror):
    """1,177 of 5,269 rows repeat a pair before filters; the 5-core with repeats kept holds most of them."""
    found = audit_file(mirror, "amazon-2018-json", "amazon-2018/All_Beauty_5.json.gz")
    assert 0.15 < found.repeats < 0.3
    deduplicated = audit_file(mirror, "amazon-2018-json", "amazon-2018/All_Beauty_5.json.gz", "loo-20")
    assert deduplicated.repeats == 0


@pytest.mark.real_data
def test_sequence_files_have_no_times(mirror):
    assert audit_file(mirror, "s3rec-lines", "seq-amazon-2014/Beauty.txt.gz").leakage is None
    gaps = audit_file(mirror, "s3rec-lines", "seq-amazon-2014/Beauty.with_intervals.txt.gz")
    assert gaps.leakage is None
    assert gaps.last_two_tied == pytest.approx(0.435, abs=0.001)
    assert gaps.order.ratio > 2


def test_switches_between_members_by_hand() -> None:
    """Users 0 and 1 take turns in time, so that each of the five steps of their account is a switch."""
    times = np.array([1, 3, 5, 2, 4, 6])
    sequences = Sequences(np.arange(6, dtype=np.int32), np.array([0, 3, 6]), times, 6)
    names = pl.Series([str(number) for number in range(6)])
    dataset = PreparedDataset(audited(ROWS).dataset, sequences, names[:2], names, names)
    shared = PROTOCOLS["shared-merge"]
    assert audit(dataset, shared).switches == 1
    apart = replace(dataset, sequences=replace(sequences, times=np.array([1, 2, 3, 4, 5, 6])))
    assert audit(apart, shared).switches == pytest.approx(1 / 5)
    assert audit(dataset, PROTOCOLS["loo-50"]).switches is None
    assert audit(dataset, shared).leakage is None
