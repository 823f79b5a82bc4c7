"""Leave-one-out: what is trained on and what is held out, for sequences of every length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_data import leave_one_out

from lrbench.config.protocol import PROTOCOLS, Filters
from lrbench.data.dataset import Origin
from lrbench.data.preparation.prepare import prepare
from lrbench.data.readers import read
from lrbench.data.sequences import Sequences
from lrbench.data.splitting import split, split_to_train
from lrbench.errors import RequestError


def sequences(lists, n_items=100):
    flat = [item for items in lists for item in items]
    offsets = np.cumsum([0, *map(len, lists)])
    return Sequences(np.array(flat, dtype=np.int32), offsets, None, n_items)


def histories(view):
    return [view.items[start:stop].tolist() for start, stop in zip(view.starts, view.stops, strict=True)]


def test_by_hand():
    split = leave_one_out(sequences([[1, 2, 3, 4], [5, 6], [7, 8, 9]]))
    assert histories(split.train) == [[1, 2], [5, 6], [7]]
    assert split.valid.users.tolist() == split.test.users.tolist() == [0, 2]
    assert histories(split.valid) == [[1, 2], [7]]
    assert split.valid.targets.tolist() == [3, 8]
    assert histories(split.test) == [[1, 2, 3], [7, 8]]  # the validation item is part of the test history
    assert split.test.targets.tolist() == [4, 9]


@pytest.mark.parametrize("protocol", ["loo-50", "shared-merge"])
def test_training_needs_somebody_to_evaluate(protocol):
    short, enough = sequences([[1, 2], [3, 4]]), sequences([[1, 2], [3, 4, 5]])
    assert len(split_to_train(enough, PROTOCOLS[protocol], "toy").test) == 1
    assert len(split(short, PROTOCOLS[protocol]).test) == 0, "which can be inspected"
    with pytest.raises(RequestError, match=f"Nobody in toy can be evaluated under {protocol}"):
        split_to_train(short, PROTOCOLS[protocol], "toy")


@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=8), min_size=1, max_size=8))
def test_every_interaction_has_one_place(lists):
    split = leave_one_out(sequences(lists))
    evaluated = dict(zip(split.test.users.tolist(), range(len(split.test)), strict=True))
    assert list(evaluated) == [user for user, items in enumerate(lists) if len(items) >= 3]
    for user, items in enumerate(lists):
        train = histories(split.train)[user]
        if user not in evaluated:
            assert train == items
            continue
        row = evaluated[user]
        assert [*train, split.valid.targets[row], split.test.targets[row]] == items
        assert histories(split.valid)[row] == train
        assert histories(split.test)[row] == items[:-1]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "share"), [("Beauty", 0.99767), ("Sports_and_Outdoors", 0.99834), ("Toys_and_Games", 0.99758)]
)
def test_targets_known_before_agree_with_esasrec(mirror, name, share):
    """eSASRec (blondered/transformer_benchmark) scales metrics by the share of targets that occur before."""
    origin = Origin(name="papers", edition="", source="", source_sha256="", reader="s3rec-lines")
    raw = read("s3rec-lines", mirror / f"seq-amazon-2014/{name}.txt.gz", {})
    sequences = prepare(raw, origin, Filters()).sequences
    test = leave_one_out(sequences).test
    before = np.delete(sequences.items, test.stops)  # a view stops at its target
    assert round(float(np.isin(test.targets, before).mean()), 5) == share
