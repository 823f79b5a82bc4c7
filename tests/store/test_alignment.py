from pathlib import Path

import numpy as np
import polars as pl
import pytest
from synthetic_results import Made, make_ranks, make_suite, write_trial

from lrbench.errors import CheckError
from lrbench.metrics import ndcg
from lrbench.store.alignment import aligned_ranks
from lrbench.store.frames import finished_trials, suite_ranks
from lrbench.store.layout import Results

NOISY = Made("LARES", 1.0, "lares", depth=2, depths=(0, 2), per_doubling=0.3, draws=3)


def rewrite(root: Path, trial: str, change: pl.Expr) -> None:
    path = Results(root).trial(trial) / "ranks.parquet"
    pl.read_parquet(path).with_columns(change).write_parquet(path)


def test_metric_is_the_mean_over_draws_at_the_depth_of_reports(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [NOISY], seeds=[1, 2], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    aligned = aligned_ranks(finished, masked=False)
    assert {depth for _, depth in aligned.stored} == {2}
    values = aligned.metric([trial.record.id for trial in finished], 2, "ndcg@10")
    assert values.shape == (2, 400)
    user = aligned.targets["user"].to_list().index("u17")
    ranks = make_ranks(NOISY, "sample", 2).filter(split="test", depth=2, user="u17")["rank"].to_numpy()
    assert len(ranks) == 3
    assert values[1, user] == pytest.approx(ndcg(ranks, 10).mean())


def test_a_user_with_several_targets_is_one_user(tmp_path: Path) -> None:
    """Targets of one user go together, and the sum over users stays that over targets."""
    suite = make_suite(tmp_path, [Made("A")], seeds=[1], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    trial = finished[0].record.id
    alone = aligned_ranks(finished, masked=False)
    first = pl.when(pl.col("user") == "u17").then(pl.lit("u3")).otherwise(pl.col("user"))
    rewrite(tmp_path, trial, first.alias("user"))
    together = aligned_ranks(finished, masked=False)
    before, after = (ranks.metric([trial], 0, "ndcg@10") for ranks in (alone, together))
    assert before.shape == (1, 400)
    assert after.shape == (1, 399)
    assert after.sum() / together.targets_per_user.sum() == pytest.approx(before.mean(), abs=1e-12)
    assert sorted(together.targets_per_user)[-2:] == [1, 2]
    of_user = dict(zip(alone.users.to_list(), before[0], strict=True))
    users = together.users.to_list()
    assert "u17" not in users
    assert after[0, users.index("u3")] == pytest.approx(of_user["u3"] + of_user["u17"])
    assert after[0, users.index("u5")] == of_user["u5"]


def test_masked_ranks_and_other_depths_on_request(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [NOISY], seeds=[1], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    trial = finished[0].record.id
    plain, masked = (aligned_ranks(finished, masked, every_depth=True) for masked in (False, True))
    assert plain.depths([trial]) == [0, 2]
    assert (masked.stored[trial, 0].ranks == np.maximum(1, plain.stored[trial, 0].ranks - 3)).all()
    assert not np.array_equal(plain.stored[trial, 0].ranks, plain.stored[trial, 2].ranks)


def test_order_of_rows_in_the_file_does_not_matter(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [NOISY], seeds=[1], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    before = aligned_ranks(finished, masked=False)
    path = finished[0].folder / "ranks.parquet"
    pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=1).write_parquet(path)
    after = aligned_ranks(finished, masked=False)
    order = after.targets["user"].to_numpy().argsort(), before.targets["user"].to_numpy().argsort()
    for key, there in before.stored.items():
        assert np.array_equal(after.stored[key].ranks[order[0]], there.ranks[order[1]])


def test_trials_in_different_orders_are_aligned_by_user(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A"), Made("B")], seeds=[1], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    before = aligned_ranks(finished, masked=False)
    path = finished[1].folder / "ranks.parquet"
    pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=1).write_parquet(path)
    after = aligned_ranks(finished, masked=False)
    assert after.targets.equals(before.targets)
    assert all(np.array_equal(after.stored[key].ranks, there.ranks) for key, there in before.stored.items())


def test_another_target_is_refused(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A"), Made("B")], seeds=[1], proposed=[])
    swap = pl.when(pl.col("user").is_in(["u3", "u4"])).then(pl.lit("i9")).otherwise("target").alias("target")
    rewrite(tmp_path, suite.trials[1].trial, swap)
    finished, _ = finished_trials(suite, Results(tmp_path))
    with pytest.raises(
        CheckError, match="0 users are only in the first, 0 only in the second, 2 have another"
    ):
        aligned_ranks(finished, masked=False)


@pytest.mark.parametrize(
    ("users", "said"),
    [
        (390, "10 users are only in the first"),
        (410, "0 users are only in the first, 10 only in the second"),
    ],
)
def test_other_users_are_refused(users: int, said: str, tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A"), Made("B")], seeds=[1], proposed=[])
    write_trial(tmp_path, Made("B"), "sample", 1, users=users)
    finished, _ = finished_trials(suite, Results(tmp_path))
    with pytest.raises(CheckError, match=said):
        aligned_ranks(finished, masked=False)


def test_a_target_that_a_user_has_twice_is_not_matched_in_another_order(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A"), Made("B")], seeds=[1], proposed=[])
    twice = pl.col("user").is_in(["u3", "u4"])
    changes = [
        pl.when(twice).then(pl.lit(to)).otherwise(of).alias(of)
        for to, of in (("i9", "target"), ("u3", "user"))
    ]
    for cell in suite.trials:
        path = Results(tmp_path).trial(cell.trial) / "ranks.parquet"
        ranks = pl.read_parquet(path).with_columns(changes)
        (ranks if cell.label == "A" else ranks.reverse()).write_parquet(path)
    finished, _ = finished_trials(suite, Results(tmp_path))
    with pytest.raises(CheckError, match="are not on the same targets"):
        aligned_ranks(finished, masked=False)


def test_a_lost_draw_is_refused(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [NOISY], seeds=[1], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    path = finished[0].folder / "ranks.parquet"
    lost = (pl.col("user") == "u5") & (pl.col("draw") == 2)
    pl.read_parquet(path).filter(~lost).write_parquet(path)
    with pytest.raises(CheckError, match="1 users are only in the first"):
        aligned_ranks(finished, masked=False)


def test_ranks_without_the_depth_of_reports_are_refused(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A", depths=(0,))], seeds=[1], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    rewrite(tmp_path, suite.trials[0].trial, pl.lit(3, pl.Int32).alias("depth"))
    with pytest.raises(CheckError, match="no test ranks at depth 0"):
        aligned_ranks(finished, masked=False)


def test_files_without_ties_are_read_and_keep_their_metrics(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A")], seeds=[1], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    (trial,) = finished
    before = aligned_ranks(finished, masked=False).metric([trial.record.id], 0, "ndcg@10")
    path = trial.folder / "ranks.parquet"
    pl.read_parquet(path).drop("ties", "ties_masked", "intervention").write_parquet(path)
    old = aligned_ranks(finished, masked=False)
    assert old.stored[trial.record.id, 0].ties is None
    np.testing.assert_array_equal(old.metric([trial.record.id], 0, "ndcg@10"), before)
    assert suite_ranks(finished).collect().columns[-3:] == ["ties", "ties_masked", "intervention"]


def test_ties_are_the_expectation_over_their_order(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, [Made("A")], seeds=[1], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    everywhere = [pl.lit(250.5).alias("rank"), pl.lit(499, pl.Int32).alias("ties")]
    for change in everywhere:
        rewrite(tmp_path, finished[0].record.id, change)
    values = aligned_ranks(finished, masked=False).metric([finished[0].record.id], 0, "recall@10")
    np.testing.assert_allclose(values, 10 / 500)


@pytest.mark.parametrize("wrong", [0.0, 501.0, float("nan"), None])
def test_ranks_that_no_ranking_gives_are_refused(tmp_path: Path, wrong: float | None) -> None:
    suite = make_suite(tmp_path, [Made("A")], seeds=[1], proposed=[])
    finished, _ = finished_trials(suite, Results(tmp_path))
    broken = pl.when(pl.col("user") == "u3").then(pl.lit(wrong)).otherwise("rank").alias("rank")
    rewrite(tmp_path, finished[0].record.id, broken)
    with pytest.raises(CheckError, match=r"1 ranks outside 1 to 500 or without a value"):
        aligned_ranks(finished, masked=False)
