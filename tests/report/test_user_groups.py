import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.stats
from synthetic_results import QUICKSTART, USERS, Made, make_suite, prepared, rewrite_ranks

from lrbench.config.protocol import PROTOCOLS
from lrbench.data.dataset import PreparedDataset
from lrbench.data.sequences import Sequences
from lrbench.errors import CheckError
from lrbench.report.build import build_report
from lrbench.report.findings import GroupFinding
from lrbench.report.report import Report
from lrbench.report.tables import make_sections
from lrbench.report.user_groups import TRAITS, user_traits
from lrbench.store.layout import Results


def test_user_traits_by_hand() -> None:
    # a: 0 1 | 2 | 0, b: 0 0 | 1 | 1; trained on 0 1 and 0 0, so item 0 occurs 3 times and item 1 once.
    dataset = prepared("x")
    sequences = Sequences(np.array([0, 1, 2, 0, 0, 0, 1, 1], np.int32), np.array([0, 4, 8]), None, 3)
    small = PreparedDataset(
        dataset.record, sequences, pl.Series(["a", "b"]), pl.Series(["x", "y", "z"]), dataset.titles
    )
    lengths, popularity = user_traits(small, PROTOCOLS["loo-50"], pl.Series(["b", "a"]))
    assert lengths.tolist() == [3, 3]
    assert popularity.tolist() == [1, 3]
    with pytest.raises(CheckError, match="1 users of the stored ranks"):
        user_traits(small, PROTOCOLS["loo-50"], pl.Series(["b", "c"]))


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Report:
    root = tmp_path_factory.mktemp("results")
    return build_report(make_suite(root), Results(root), prepared=prepared)


def finding(report: Report, trait: str) -> GroupFinding:
    return next(found for found in report.groups if found.trait == trait)


def test_groups_are_quartiles_of_both_traits_against_the_strongest_other_model(grouped: Report) -> None:
    assert [found.trait for found in grouped.groups] == list(TRAITS)
    for found in grouped.groups:
        assert (found.proposed, found.baseline) == ("LARES", "SASRec")
        assert sum(group.n_users for group in found.groups) == USERS
        assert len(found.groups) <= 4


def test_the_difference_is_the_mean_of_the_groups(grouped: Report) -> None:
    comparison = next(c for c in grouped.comparisons if c.baseline == "SASRec")
    groups = finding(grouped, "history length").groups
    whole = sum(group.n_users * group.contrast.difference for group in groups) / USERS
    assert whole == pytest.approx(comparison.contrast.difference)


def test_p_values_are_adjusted_over_all_groups_of_the_dataset(grouped: Report) -> None:
    groups = [group for found in grouped.groups for group in found.groups]
    expected = scipy.stats.false_discovery_control([group.contrast.p for group in groups])
    assert [group.p_adjusted for group in groups] == pytest.approx(expected.tolist())


def test_the_table_has_a_row_for_each_group_and_one_for_the_interaction(grouped: Report) -> None:
    section = next(section for section in make_sections(grouped) if section.name == "groups")
    assert len(section.tables[0].rows) == sum(len(found.groups) + 1 for found in grouped.groups)
    assert "Exploratory" in " ".join(section.notes)


def test_a_gain_for_long_histories_alone_is_an_interaction(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, (Made("A", 0.5), Made("B", 0.5)), proposed=["A"], seeds=(1, 2, 3, 4))
    data = prepared("sample")
    users = pl.Series([f"u{user}" for user in range(USERS)])
    lengths, _ = user_traits(data, PROTOCOLS["loo-20"], users)
    long = set(users.filter(pl.Series(lengths > np.quantile(lengths, 0.75))).to_list())
    for cell in suite.trials[:4]:
        best = pl.when(pl.col("user").is_in(list(long))).then(1.0).otherwise("rank")
        rewrite_ranks(tmp_path, cell.trial, best.alias("rank"))
    report = build_report(suite, Results(tmp_path), prepared=prepared)
    assert finding(report, "history length").interaction_p < 0.01
    assert report.answers[3].verdict == "depends"


@pytest.mark.parametrize(("fingerprint", "reason"), [("beef", "is not the one that was ranked")])
def test_other_data_give_no_groups_and_say_so(tmp_path: Path, fingerprint: str, reason: str) -> None:
    suite = make_suite(tmp_path)
    report = build_report(suite, Results(tmp_path), prepared=lambda name: prepared(name, fingerprint))
    assert report.groups == ()
    assert reason in report.answers[3].text


def test_two_seeds_give_groups_without_a_test(tmp_path: Path) -> None:
    report = build_report(
        make_suite(tmp_path, QUICKSTART, seeds=(1, 2)), Results(tmp_path), prepared=prepared
    )
    assert all(math.isnan(group.p_adjusted) for found in report.groups for group in found.groups)
    assert report.answers[3].text.startswith("Not testable: 2 of the at least 3 seeds")
