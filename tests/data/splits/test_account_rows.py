"""Rows of accounts: what is on which side, and what a look-up table answers."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.config.protocol import PROTOCOLS, Filters, Protocol
from lrbench.data.batches import TrainingData
from lrbench.data.dataset import Origin, load_prepared, write_prepared
from lrbench.data.inspection.row_predictors import inspect_rows
from lrbench.data.preparation.prepare import prepare
from lrbench.data.readers import read
from lrbench.data.sequences import EvaluationView, Sequences
from lrbench.data.splitting import split
from lrbench.errors import RequestError

PUBLISHED, DISJOINT = PROTOCOLS["shared-rows"], PROTOCOLS["shared-rows-disjoint"]


def sequences(rows: list[tuple[int, list[int]]]) -> Sequences:
    """Rows of (account, items)."""
    flat = [item for _, items in rows for item in items]
    return Sequences(
        items=np.array(flat, dtype=np.int32),
        offsets=np.cumsum([0, *(len(items) for _, items in rows)]),
        times=None,
        n_items=max(flat) + 1,
        accounts=np.array([account for account, _ in rows]),
    )


def row_of(view: EvaluationView, data: Sequences) -> list[int]:
    return (np.searchsorted(data.offsets, view.stops, side="right") - 1).tolist()


@given(st.lists(st.integers(1, 4), min_size=30, max_size=40), st.randoms(use_true_random=False))
def test_every_row_is_on_one_side_and_its_target_in_no_input(counts: list[int], random) -> None:  # type: ignore[no-untyped-def]
    rows = [(account, number) for account, count in enumerate(counts) for number in range(count)]
    random.shuffle(rows)
    lengths = [random.randint(2, 5) for _ in rows]
    places = iter(range(10_000))  # every item is its own, so that it tells where it is
    data = sequences(
        [
            (account, [next(places) for _ in range(length)])
            for (account, _), length in zip(rows, lengths, strict=True)
        ]
    )
    for protocol in (PUBLISHED, DISJOINT):
        parts = split(data, protocol)
        train = np.searchsorted(data.offsets, parts.train.starts, side="right") - 1
        valid, test = row_of(parts.valid, data), row_of(parts.test, data)
        assert len({*train.tolist(), *valid, *test}) == len(train) + len(valid) + len(test)
        held_out = {*parts.valid.targets.tolist(), *parts.test.targets.tolist()}
        assert not held_out & set(parts.train.items[parts.train.interactions].tolist())
        for view, at in ((parts.valid, valid), (parts.test, test)):
            assert view.starts.tolist() == data.offsets[at].tolist()
            assert view.targets.tolist() == data.items[data.offsets[np.array(at) + 1] - 1].tolist()
            assert (view.stops > view.starts).all()
        assert data.accounts is not None
        owners = data.accounts.tolist()
        for side, at in ((parts.train, train), (parts.valid, valid), (parts.test, test)):
            assert side.users is not None
            assert side.users.tolist() == [owners.index(owners[row]) for row in at]  # its first row
        of_valid = set(data.accounts[valid].tolist())
        assert not of_valid & set(data.accounts[train].tolist())  # accounts, not rows, in validation
        if protocol is DISJOINT:
            assert not set(data.accounts[test].tolist()) & {*data.accounts[train].tolist(), *of_valid}
            assert len(set(parts.test.users.tolist())) == len(test)
            longest = [max(np.diff(data.offsets)[data.accounts == data.accounts[row]]) for row in test]
            assert [lengths[row] for row in test] == longest
        else:
            assert len(test) == round(0.2 * len(rows))


def test_of_the_longest_rows_of_an_account_the_first_is_tested() -> None:
    rows = [(account, [10 * account + row, 10 * account + 5]) for account in range(30) for row in range(3)]
    parts = split(sequences(rows), DISJOINT)
    for view in (parts.valid, parts.test):
        assert all(place % 3 == 0 for place in row_of(view, sequences(rows)))


@pytest.mark.parametrize("protocol", [PUBLISHED, DISJOINT], ids=lambda protocol: protocol.name)
def test_sides_are_drawn_from_the_seed(protocol: Protocol) -> None:
    data = sequences([(account, [0, 1]) for account in range(60) for _ in range(3)])
    assert protocol.account_rows is not None
    first, again, other = (
        split(
            data,
            protocol.model_copy(
                update={"account_rows": protocol.account_rows.model_copy(update={"seed": seed})}
            ),
        )
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first.test.users, again.test.users)
    assert not np.array_equal(first.test.users, other.test.users)


def test_data_without_accounts_is_refused() -> None:
    data = Sequences(np.array([0, 1, 2], np.int32), np.array([0, 3]), None, 3)
    with pytest.raises(RequestError, match="splits rows of accounts, but this data has no accounts"):
        split(data, PUBLISHED)
    with pytest.raises(RequestError, match="leaves a side without rows"):
        split(sequences([(0, [0, 1]), (0, [1, 2])]), DISJOINT)


def test_rows_are_read_prepared_and_found_again(tmp_path: Path) -> None:
    file = tmp_path / "rows.txt"
    file.write_text("b\tx\ty\tx\t\na\tx\tz\nb\tz\ty\t\n", encoding="utf-8")
    raw = read("account-rows", file, {})
    origin = Origin(name="toy", edition="a toy", source="", source_sha256="", reader="account-rows")
    dataset = prepare(raw, origin, Filters(k_core=0))
    assert dataset.user_ids.to_list() == ["b/1", "a/1", "b/2"]
    assert dataset.sequences.accounts is not None
    assert dataset.sequences.accounts.tolist() == [1, 0, 1]
    items = dataset.item_ids.gather(dataset.sequences.items)
    assert items.to_list() == ["x", "y", "x", "x", "z", "z", "y"]
    (tmp_path / "kept").mkdir()
    write_prepared(dataset, tmp_path / "kept")
    again = load_prepared(tmp_path / "kept").sequences
    assert again.accounts is not None
    assert again.accounts.tolist() == [1, 0, 1]


@pytest.mark.parametrize("line", ["b", "b\tx\t\ty", "\tx\ty"])
def test_a_malformed_row_is_refused_by_its_line(line: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.txt"
    file.write_text(f"a\tx\ty\n{line}\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"rows.txt, line 2"):
        read("account-rows", file, {})


def test_own_rows_answer_what_no_other_account_could() -> None:
    """Each account repeats steps that only it takes: its own rows tell all, those of others nothing."""
    rows = [
        (account, [3 * account, 3 * account + 1, 3 * account + 2]) for _ in range(10) for account in range(60)
    ]
    found = inspect_rows(sequences(rows))
    recent, followed, own, apart = found.predictors
    assert found.targets_with_known_account > 0.8
    assert own.recall_at_5 == own.mrr_at_5 == pytest.approx(found.targets_with_known_account, abs=0.01)
    assert followed.recall_at_5 == own.recall_at_5  # nobody else takes these steps
    assert apart.mrr_at_5 < 0.1
    assert recent.mrr_at_5 < 0.1
    assert [row.targets for row in found.predictors] == [120, 120, 120, 6]


def test_rows_of_the_first_account_answer_for_no_other() -> None:
    """An account with a single row has no own rows; the first account's rows do not replace them."""
    rows = [*((0, [0, 1]) for _ in range(10)), *((account, [0, 2]) for account in range(1, 200))]
    own = inspect_rows(sequences(rows)).predictors[2]
    assert own.mrr_at_5 == 1


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "rows", "leak", "without"),
    [
        ("Hvideo_E", 26_870, (0.578, 0.676, 0.478), (0.209, 0.403, 0.113)),
        ("Hamazon_M", 28_777, (0.488, 0.493, 0.485), (0.014, 0.032, 0.009)),
    ],
)
def test_real_rows(
    mirror: Path, file: str, rows: int, leak: tuple[float, ...], without: tuple[float, ...]
) -> None:
    path = mirror / f"shared-accounts/{file}_test_data.txt.gz"
    origin = Origin(name=file, edition="", source="", source_sha256="", reader="account-rows")
    data = prepare(read("account-rows", path, {}), origin, PUBLISHED.filters).sequences
    assert data.n_users == rows
    found = inspect_rows(data).predictors
    for row, expected in ((found[2], leak), (found[3], without)):
        values = (row.recall_at_5, row.recall_at_20, row.mrr_at_5)
        assert values == pytest.approx(expected, abs=5e-4)
    assert TrainingData(split(data, PUBLISHED).train, 50).n_targets > 0


def test_rows_of_one_item_are_no_targets() -> None:
    rows = [(account, [0, 1, 2] if account % 2 else [3]) for account in range(60)]
    for protocol in (PUBLISHED, DISJOINT):
        parts = split(sequences(rows), protocol)
        assert set(parts.valid.targets.tolist()) == set(parts.test.targets.tolist()) == {2}
