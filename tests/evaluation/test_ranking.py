from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import leave_one_out, small_dataset, trial_config
from table_model import TableModel, view_of
from torch import Tensor

from lrbench.data.packing import Packed
from lrbench.errors import LrbenchError
from lrbench.evaluation import ranking
from lrbench.evaluation.ranking import rank_targets
from lrbench.execution.train_and_rank import build_model
from lrbench.metrics import recall
from lrbench.store.mean_metrics import mean_metrics

CPU = torch.device("cpu")


def naive_ranks(scores: list[float], history: set[int], target: int) -> tuple[float, float]:
    """Both ranks by comparing one item after the other."""

    def rank(items: list[int]) -> float:
        others = [scores[item] for item in items if item != target]
        return (
            1
            + sum(score > scores[target] for score in others)
            + sum(score == scores[target] for score in others) / 2
        )

    everything = list(range(len(scores)))
    return rank(everything), rank([item for item in everything if item == target or item not in history])


@settings(max_examples=60)
@given(st.data())
def test_ranks_are_those_of_comparing_item_by_item(data: st.DataObject) -> None:
    n_items = data.draw(st.integers(2, 8))
    item = st.integers(0, n_items - 1)
    sequences = data.draw(st.lists(st.lists(item, min_size=2, max_size=6), min_size=1, max_size=5))
    # Few different scores, so that many tie.
    table = data.draw(
        st.lists(
            st.lists(st.sampled_from([-1.0, 0.0, 2.5]), min_size=n_items, max_size=n_items),
            min_size=n_items,
            max_size=n_items,
        )
    )
    view = view_of(sequences, n_items)
    ranks = rank_targets(TableModel(torch.tensor(table)), view, (0,), 0, CPU)
    expected = [naive_ranks(table[sequence[-2]], set(sequence[:-1]), sequence[-1]) for sequence in sequences]
    for sequence, ties, ties_masked in zip(sequences, ranks.ties[0], ranks.ties_masked[0], strict=True):
        scores, target = table[sequence[-2]], sequence[-1]
        level = {item for item in range(n_items) if scores[item] == scores[target]} - {target}
        assert ties == len(level)
        assert ties_masked == len(level - set(sequence))
    np.testing.assert_array_equal(ranks.rank[0], [unmasked for unmasked, _ in expected])
    np.testing.assert_array_equal(ranks.rank_masked[0], [masked for _, masked in expected])


def test_the_whole_history_is_masked_even_where_the_model_sees_only_its_end() -> None:
    view = view_of([[0, 1, 2, 3]], 6)
    table = torch.tensor([[9.0, 8.0, 7.0, 0.0, 1.0, -1.0]]).expand(6, 6)
    ranks = rank_targets(TableModel(table, max_length=1), view, (0,), 0, CPU)
    assert ranks.rank[0, 0] == 5  # items 0, 1, 2 and 4 score more
    assert ranks.rank_masked[0, 0] == 2  # of those only item 4 is new


def test_chunks_leave_the_ranks_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    view = leave_one_out(small_dataset().sequences).test
    table = torch.randn(view.n_items, view.n_items, generator=torch.Generator().manual_seed(0))
    whole = rank_targets(TableModel(table), view, (0,), 0, CPU)
    monkeypatch.setattr(ranking, "HISTORIES_PER_CHUNK", 7)
    pieces = rank_targets(TableModel(table), view, (0,), 0, CPU)
    np.testing.assert_array_equal(whole.rank, pieces.rank)
    np.testing.assert_array_equal(whole.rank_masked, pieces.rank_masked)


def test_a_constant_scorer_earns_chance_level() -> None:
    view = leave_one_out(small_dataset(items=41).sequences).test
    ranks = rank_targets(TableModel(torch.zeros(41, 41)), view, (0,), 0, CPU)
    assert (ranks.rank == 21).all()  # the middle of 41
    assert (ranks.ties == 40).all()
    assert recall(ranks.rank[0], 20, ranks.ties[0]) == pytest.approx(20 / 41)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_scores_that_are_not_finite_fail(bad: float) -> None:
    table = torch.zeros(40, 40)
    table[:, 3] = bad
    with pytest.raises(LrbenchError, match="NaN or infinite"):
        rank_targets(TableModel(table), leave_one_out(small_dataset().sequences).test, (0,), 0, CPU)


def test_a_model_in_training_mode_ranks_without_dropout() -> None:
    dataset = small_dataset()
    model, view = build_model(trial_config(), dataset, CPU), leave_one_out(dataset.sequences).test
    plain = rank_targets(model.eval(), view, (0,), 0, CPU)
    again = rank_targets(model.train(), view, (0,), 0, CPU)
    np.testing.assert_array_equal(again.rank, plain.rank)


class NotFiniteAtDepth(TableModel):
    """Its scores are finite at all depths but one."""

    bad = 2

    def encode(self, sequences: Packed, depths: Sequence[int], noise: torch.Generator | None) -> Tensor:
        states = super().encode(sequences, depths, noise).clone()
        states[list(depths).index(self.bad)] = torch.nan
        return states


def test_scores_that_are_not_finite_are_reported_with_their_depth() -> None:
    model, view = NotFiniteAtDepth(torch.zeros(40, 40)), leave_one_out(small_dataset().sequences).test
    with pytest.raises(LrbenchError, match=r"\(depth 2\)"):
        rank_targets(model, view, (0, 1, 2, 4), 0, CPU)


def test_items_that_are_not_ranked_stand_below_every_target() -> None:
    """Ranks are as if the catalogue lacked these items. The items above a target are counted one by one."""
    table, left_out = torch.randn(40, 40, generator=torch.Generator().manual_seed(3)), np.array([7, 11, 30])
    view = leave_one_out(small_dataset().sequences).test
    view = view.reordered(np.flatnonzero(~np.isin(view.targets, left_out)))
    plain = rank_targets(TableModel(table), view, (0,), 0, CPU)
    found = rank_targets(TableModel(table), replace(view, not_ranked=left_out), (0,), 0, CPU)
    scores = table.numpy()[view.items[view.stops - 1]]  # (targets, items)
    above = (scores[:, left_out] > scores[np.arange(len(view)), view.targets][:, None]).sum(axis=1)
    assert above.any()
    assert np.array_equal(found.rank[0], plain.rank[0] - above)


def test_headline_means_follow_the_mask_of_the_protocol() -> None:
    import polars as pl

    from lrbench.config.protocol import PROTOCOLS

    rows = pl.DataFrame(
        {
            "split": ["test"] * 2,
            "depth": [0, 0],
            "rank": [3.0, 30.0],
            "rank_masked": [1.0, 10.0],
            "ties": [0, 0],
            "ties_masked": [0, 0],
        }
    )
    unmasked = mean_metrics(rows, PROTOCOLS["loo-20"])["test"]["0"]
    masked = mean_metrics(rows, PROTOCOLS["loo-200"])["test"]["0"]
    assert unmasked["recall@10"] == 0.5
    assert unmasked["ndcg@10"] == 0.25  # 1 / log2(4) of one user in two
    assert masked["recall@10"] == 1.0


def test_ranks_of_half_precision_scores_are_counted_exactly() -> None:
    """bfloat16 cannot represent 257."""
    scores = torch.linspace(-1, 1, 601).to(torch.bfloat16)
    scores[0], scores[1:302] = -2, 3  # the target's, and 301 above even the others
    found = rank_targets(TableModel(scores.expand(601, -1)), view_of([[5, 0]], 601), (0,), 0, CPU)
    assert found.rank.item() == 601
    assert found.rank_masked.item() == 600
