import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.stats
from synthetic_results import QUICKSTART, USERS, Made, make_suite, prepared, rewrite_ranks

from lrbench.config.protocol import PROTOCOLS
from lrbench.data.dataset import PreparedDataset
from lrbench.data.sequences import Sequences
from lrbench.errors import CheckError, RequestError
from lrbench.report.answers import make_answers
from lrbench.report.build import ReportOptions, build_report
from lrbench.report.findings import GroupFinding
from lrbench.report.group_table import GroupTable, read_group_table
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


@pytest.mark.parametrize(
    ("p_group", "p_between", "says"),
    [
        (0.5, 0.5, "by history length no group is shown to differ;"),
        (0.5, 0.01, "by history length no group is shown to differ, but the groups from each other;"),
        (0.01, 0.01, "by history length better in every group;"),
    ],
)
def test_the_answer_for_users_says_what_both_tests_show(
    grouped: Report, p_group: float, p_between: float, says: str
) -> None:
    length = finding(grouped, "history length")
    groups = tuple(replace(group, p_adjusted=p_group) for group in length.groups)
    changed = replace(length, groups=groups, interaction_p=p_between)
    report = replace(grouped, groups=tuple(changed if each is length else each for each in grouped.groups))
    (answer,) = [each for each in make_answers(report) if each.question == "users"]
    assert says in answer.text


@pytest.mark.parametrize(
    ("signs", "says"),
    [
        ("++--", r"better for \S+ \(\+0\.\d{4}\) and \S+ \(\+.*\) and worse for \S+ \(−.*\) and \S+ \(−"),
        ("+---", r"better for \S+ \(\+0\.\d{4}\) and worse in 3 of 4 groups;"),
        ("----", r"worse in every group;"),
    ],
)
def test_better_and_worse_groups_are_told_apart(grouped: Report, signs: str, says: str) -> None:
    length = finding(grouped, "history length")
    groups = tuple(
        replace(group, p_adjusted=0.01, contrast=replace(group.contrast, difference=float(f"{sign}0.01")))
        for group, sign in zip(length.groups, signs, strict=True)
    )
    changed = replace(length, groups=groups, interaction_p=0.01)
    report = replace(grouped, groups=tuple(changed if each is length else each for each in grouped.groups))
    (answer,) = [each for each in make_answers(report) if each.question == "users"]
    assert re.search(f"by history length {says}", answer.text)


def test_groups_of_a_dataset_are_adjusted_together_and_told_of_that_dataset(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, datasets=("sample", "ml-100k"))
    report = build_report(suite, Results(tmp_path), prepared=prepared)
    for dataset in suite.datasets:
        here = [group for found in report.groups if found.dataset == dataset for group in found.groups]
        expected = scipy.stats.false_discovery_control([group.contrast.p for group in here])
        assert [group.p_adjusted for group in here] == pytest.approx(expected.tolist())
    groups = [replace(f, interaction_p=0.01 if f.dataset == "sample" else 0.5) for f in report.groups]
    known = tuple(
        replace(found, groups=tuple(replace(group, p_adjusted=0.5) for group in found.groups))
        for found in groups
    )
    (answer,) = [each for each in make_answers(replace(report, groups=known)) if each.question == "users"]
    first, second = answer.text.removeprefix("sample: ").split("ml-100k: ")
    assert first.count("but the groups from each other") == 2
    assert "each other" not in second
    assert answer.verdict == "mixed"


def test_targets_in_another_order_are_in_the_same_groups(tmp_path: Path, grouped: Report) -> None:
    """The first trial of the suite gives the order of the users; here it is not one of the first row."""
    suite = make_suite(tmp_path)
    backwards = suite.model_copy(update={"trials": tuple(reversed(suite.trials))})
    path = Results(tmp_path).trial(suite.trials[0].trial) / "ranks.parquet"
    pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=1).write_parquet(path)
    report = build_report(backwards, Results(tmp_path), prepared=prepared)
    for trait in TRAITS:
        expected = [group.contrast.difference for group in finding(grouped, trait).groups]
        found = [group.contrast.difference for group in finding(report, trait).groups]
        assert found == pytest.approx(expected)


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
    assert report.answers[3].text.startswith("Not testable: 2 seeds, but a test needs at least 3")


def own_groups(path: Path, text: str) -> GroupTable:
    path.write_text(text, encoding="utf-8")
    return read_group_table(path)


def test_categories_of_ones_own_are_groups_beside_the_quartiles(tmp_path: Path) -> None:
    """Users with an even number are in group x, where alone A is better. The table lacks every third user."""
    suite = make_suite(tmp_path, (Made("A", 0.5), Made("B", 0.5)), proposed=["A"], seeds=(1, 2, 3, 4))
    even = [f"u{user}" for user in range(0, USERS, 2)]
    for cell in suite.trials[:4]:
        best = pl.when(pl.col("user").is_in(even)).then(1.0).otherwise("rank")
        rewrite_ranks(tmp_path, cell.trial, best.alias("rank"))
    lines = [f"u{user},{'xy'[user % 2]}" for user in range(USERS) if user % 3]
    own = own_groups(tmp_path / "own.csv", "\n".join(["user,country", *lines]))
    report = build_report(suite, Results(tmp_path), ReportOptions(groups=own), prepared)
    assert [found.trait for found in report.groups] == [*TRAITS, "country"]
    found = finding(report, "country")
    assert [group.group for group in found.groups] == ["not given", "x", "y"]
    sizes = [len([user for user in range(USERS) if user % 3 == 0]), 0, 0]
    sizes[1:] = [len([user for user in range(USERS) if user % 3 and user % 2 == odd]) for odd in (0, 1)]
    assert [group.n_users for group in found.groups] == sizes
    gain = {group.group: group.contrast.difference for group in found.groups}
    assert gain["x"] > 0.3 > abs(gain["y"])
    assert found.interaction_p < 0.01
    every = [group for each in report.groups for group in each.groups]
    expected = scipy.stats.false_discovery_control([group.contrast.p for group in every])
    assert [group.p_adjusted for group in every] == pytest.approx(expected.tolist())
    (section,) = [section for section in make_sections(report) if section.name == "groups"]
    texts = [[cell.text for cell in row] for row in section.tables[0].rows]
    assert ["country", "x"] in [row[:2] for row in texts]
    assert ["country", "same in all?"] in [row[:2] for row in texts]
    assert "by country better" in report.answers[3].text


def test_own_groups_need_no_prepared_data(tmp_path: Path) -> None:
    own = own_groups(tmp_path / "own.csv", "user,country\nu1,x\nu2,x\nu3,y\n")
    report = build_report(make_suite(tmp_path / "r"), Results(tmp_path / "r"), ReportOptions(groups=own))
    assert [found.trait for found in report.groups] == ["country"]


def test_a_table_of_items_groups_users_by_their_targets(tmp_path: Path) -> None:
    pl.DataFrame({"item": [1, 2, 3], "kind": ["book", None, "film"]}).write_parquet(tmp_path / "own.parquet")
    own = read_group_table(tmp_path / "own.parquet")
    targets = pl.DataFrame(
        {"user": ["b", "a", "a", "c", "d", "e", "e"], "target": ["1", "1", "3", "2", "9", "3", "3"]}
    )
    grouped = own.categories(targets)
    assert grouped is not None
    assert grouped.rows() == [
        ("b", "book"),
        ("a", "several"),
        ("c", "not given"),
        ("d", "not given"),
        ("e", "film"),
    ]
    assert own.categories(targets.with_columns(target=pl.lit("none"))) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,country\na,x\n", "has no column user or item. Its columns: id, country."),
        ("user,item\na,x\n", "has both of the columns user and item."),
        ("user\na\n", "has no column besides user."),
        ("user,country\n", "has no rows."),
        ("user,country\na,x\na,y\n", 'has several rows of the user "a".'),
        ("user,country\n" + "".join(f"{n},{n}\n" for n in range(13)), 'column "country" has 13 categories'),
        ("user,country\na,\x1b[2J\n", "cannot be printed as the name of a group."),
        ("user,country\na,x,y\n", "cannot be read as a table: "),
        ("", "cannot be read as a table: "),
    ],
)
def test_what_is_no_table_of_groups_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RequestError, match=re.escape(message)) as caught:
        own_groups(tmp_path / "own.csv", text)
    assert caught.value.remedy


def test_a_column_named_like_a_trait_of_every_report_is_refused(tmp_path: Path) -> None:
    own = own_groups(tmp_path / "own.csv", "user,history length\nu1,x\n")
    with pytest.raises(RequestError, match='has a column "history length"'):
        build_report(make_suite(tmp_path / "r"), Results(tmp_path / "r"), ReportOptions(groups=own), prepared)


def test_a_table_that_knows_nobody_is_refused(tmp_path: Path) -> None:
    own = own_groups(tmp_path / "own.csv", "user,country\nnobody,x\n")
    with pytest.raises(RequestError, match="names no user on which the suite was tested"):
        build_report(make_suite(tmp_path / "r"), Results(tmp_path / "r"), ReportOptions(groups=own), prepared)
