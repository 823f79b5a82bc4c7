from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lrbench.config.accounts import Accounts
from lrbench.config.suite import Suite, read_suite_file, resolve_suite
from lrbench.config.suite_file import SuiteFile
from lrbench.errors import RequestError

BASE = {"name": "s", "protocol": "loo-20", "datasets": ["a"]}


def resolve(*models: dict[str, Any], **fields: Any) -> Suite:
    return resolve_suite(SuiteFile.model_validate(BASE | {"models": models} | fields), "test.toml")


def test_more_proposed_rows_than_letters_are_refused() -> None:
    rows = [{"label": f"row {number}", "model": "sasrec"} for number in range(54)]
    names = [row["label"] for row in rows]
    assert resolve(*rows, comparison={"proposed": names[:52]}).comparison.proposed == tuple(names[:52])
    with pytest.raises(
        RequestError, match=r"has 53 labels\. Tables mark each with a letter, and there are 52"
    ):
        resolve(*rows, comparison={"proposed": names[:53]})


def test_extending_takes_over_what_is_not_given() -> None:
    parent = {
        "label": "A",
        "model": "lares",
        "params": {"x": 1, "y": 2},
        "stages": ["spt", "rpt"],
        "training": {"patience": 3, "stages": {"rpt": {"max_epochs": 2}}},
    }
    child = {
        "label": "B",
        "extends": "A",
        "params": {"y": 5},
        "training": {"stages": {"rpt": {"patience": 1}}},
    }
    grandchild = {"label": "C", "extends": "B", "stages": ["spt"]}
    rows = {row.label: row for row in resolve(parent, child, grandchild).models}
    assert rows["B"].params == {"x": 1, "y": 5}
    assert rows["B"].stages == ("spt", "rpt")
    assert rows["B"].training == {"patience": 3, "stages": {"rpt": {"max_epochs": 2, "patience": 1}}}
    assert rows["C"].params == rows["B"].params
    assert rows["C"].stages == ("spt",)
    assert rows["A"].params == {"x": 1, "y": 2}


def test_a_grid_is_every_combination() -> None:
    row = {
        "label": "d{depth} lr{learning_rate}",
        "model": "lares",
        "grid": {"depth": [1, 2], "training.learning_rate": [0.1, 0.2]},
    }
    rows = resolve(row).models
    assert [row.label for row in rows] == ["d1 lr0.1", "d1 lr0.2", "d2 lr0.1", "d2 lr0.2"]
    assert rows[1].params == {"depth": 1}
    assert rows[1].training == {"learning_rate": 0.2}
    assert all(not row.grid for row in rows)


@pytest.mark.parametrize(
    ("models", "fields", "message"),
    [
        ([{"label": "A"}], {}, 'neither "model" nor "extends"'),
        (
            [{"label": "A {y}", "model": "m", "grid": {"x": [1]}}],
            {},
            r'cannot be filled in: there is no option "y".*braces: x\. For a brace itself write it twice',
        ),
        ([{"label": "A {x.y}", "model": "m", "grid": {"x": [1]}}], {}, 'no option "x.y"'),
        ([{"label": "A {x[y]}", "model": "m", "grid": {"x": [1]}}], {}, r'no option "x\[y\]"'),
        ([{"label": "A {x:>999}", "model": "m", "grid": {"x": [1]}}], {}, "takes no format"),
        ([{"label": "A {x!r}", "model": "m", "grid": {"x": [1]}}], {}, "takes no format"),
        ([{"label": "A {x.__class__}", "model": "m", "grid": {"x": [1]}}], {}, "no option"),
        ([{"label": "A {", "model": "m", "grid": {"x": [1]}}], {}, "cannot be filled in"),
        ([{"label": "A {x}", "model": "m", "grid": {"x": ["a\nb"]}}], {}, "no control characters"),
        ([{"label": "A {x}", "model": "m", "grid": {"x": ["a" * 200]}}], {}, "at most 200 characters"),
        (
            [{"label": "{a}", "model": "m", "grid": {key: [*range(64)] for key in "abcde"}}],
            {},
            "combinations",
        ),
        ([{"label": "B", "extends": "A"}, {"label": "A", "model": "m"}], {}, "no label above it"),
        (
            [{"label": "SASRec", "model": "m"}],
            {"comparison": {"proposed": ["SASrec"]}},
            'no label.*Did you mean "SASRec"',
        ),
        (
            [{"label": "SASRec", "model": "m"}],
            {"comparison": {"against": ["SASrec"]}},
            'comparison.against names "SASrec", which is no label.*Did you mean "SASRec"',
        ),
        (
            [{"label": "A", "model": "m"}],
            {"comparison": {"proposed": ["A"], "against": ["A"]}},
            'comparison.against names "A", which is proposed itself',
        ),
    ],
)
def test_wrong_rows_are_refused(models: list[dict[str, Any]], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        resolve(*models, **fields)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("name = 'no/good'", r'name = "no/good": a name begins with'),
        ("name = '" + "x" * 65 + "'", "at most 64 characters"),
        ("seeds = [1, 1]", "distinct"),
        ("dataset_seeds = { a = [1, 1] }", "the seeds of a must be distinct"),
        ("dataset_seeds = { a = [] }", "at least 1"),
        ("dataset_seeds = { b = [1] }", "dataset_seeds names b, which is not among the datasets"),
        ("seeds = [true]", "entry 1 of seeds = true, but it must be a whole number"),
        ("seeds = [1, '2']", 'entry 2 of seeds = "2", but it must be a whole number'),
        ("seeds = [-1]", "entry 1 of seeds = -1, but it must be at least 0"),
        ("seeds = [18446744073709551616]", "a whole number of more than 64 bits"),
        ("seeds = [" + "9" * 5000 + "]", "too many digits"),
        ("evaluation = { depths = [1001] }", "at most 1,000"),
        ("evaluation = { draws = 10001 }", "at most 10,000"),
        ("evaluation = { draws = 1.0 }", "must be a whole number"),
        ("training = { learning_rate = inf }", "training.learning_rate = inf is no finite number"),
        ("training = { learning_rate = 1979-05-27 }", "a date or a time"),
        ("training = " + "{ a = " * 3000 + "1" + " }" * 3000, "nests too many"),
        ("training = " + "[" * 30 + "]" * 30, "nests more than 20"),
        ("training." + ".".join("a" * 3000) + " = 1", "nests more than 20"),
        ("protocol = 'loo-21'", r'no protocol "loo-21".*Did you mean "loo-20"\?$'),
        ("primary_metric = 'hit@10'", "Unknown metric"),
        (
            "accounts = { size = 'fixed-2' }",
            "makes no accounts. Leave",
        ),
        ("accounts = { size = 'fixed-9' }", "accounts.size"),
        ("accounts = { partner = 'random' }", 'unknown option "accounts.partner".*Did you mean "partners"'),
        ("dataset = ['a']", 'unknown option "dataset".*Did you mean "datasets"'),
        ("datasets = []", "datasets"),
        ("datasets = 'a'", r'datasets = "a", but it must be a list in brackets. Write datasets = \["a"\]\.$'),
        ("datasets = 'a, b'", r'Write datasets = \["a", "b"\]\.$'),
        ("seeds = '1,2'", r'seeds = "1,2", but it must be a list in brackets. Write seeds = \[1, 2\]\.$'),
        ("dataset_seeds = { a = '1,2' }", r"Write dataset_seeds.a = \[1, 2\]\.$"),
        ("[[models]]\nlabel = ''\nmodel = 'sasrec'", r'row number 1: label = "": a row needs a name'),
        ("[[models]]\nlabel = 'a\\u001b'".replace("'", '"'), r'label = "a\\u001b": a label holds no control'),
        ("[[models]]\nlabel = 'x'\nstages = 3", r'row "x": stages = 3, but it must be a list.*\[3\]'),
        ("[[models]]\nlabel = 'x'\nmodel = '../x'", 'row "x": model = "../x": a name begins with'),
        ("[[models]]\nlabel = 'x'\ncontrols = ['no-reasonin']", 'Did you mean "no-reasoning"'),
        ("[[models]]\nlabel = 'x'\ncontrols = 'al'", 'or a list in brackets. Did you mean "all"'),
        ("[[models]]\nlabel = 'x'\ncontrols = 'noise-only'", r'Write controls = \["noise-only"\]'),
        ("[evaluation]\ninterventions = 'al'", 'or a list in brackets. Did you mean "all"'),
        ("[[models]]\nlabel = 'x'\nparams = 3", 'row "x": params = 3, but it must be a table'),
        (
            "[[models]]\nlabel = 'x'\nmodel = 'sasrec'\ngrid = { width = [] }",
            "there is no value for width. List some",
        ),
        ("[[models]]\nlabel = 'x'\nmodle = 'y'", 'row "x": unknown option "modle".*Did you mean "model"'),
        ("name = ", "not valid TOML"),
    ],
)
def test_wrong_files_are_refused_in_a_sentence(line: str, message: str, tmp_path: Path) -> None:
    lines = {"name": "'s'", "protocol": "'loo-20'", "datasets": "['a']"}
    key = line.partition(" = ")[0]
    text = "".join(f"{name} = {value}\n" for name, value in lines.items() if name != key) + line + "\n"
    if "[[models]]" not in line:
        text += "[[models]]\nlabel = 'a'\nmodel = 'sasrec'\n"
    path = tmp_path / "suite.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match=message) as caught:
        read_suite_file(path)
    assert str(path) in str(caught.value)


def test_a_missing_option_is_refused_with_its_meaning(tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text('name = "s"\ndatasets = ["a"]\n[[models]]\nlabel = "a"\nmodel = "sasrec"\n', "utf-8")
    meaning = r"protocol: A name that `lrbench list protocols` shows\.$"
    with pytest.raises(RequestError, match=rf'"protocol" is missing\. {meaning}'):
        read_suite_file(path)


def test_a_missing_file_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        read_suite_file(tmp_path / "none.toml")


def test_rows_have_the_accounts_of_the_suite_and_their_own() -> None:
    rows = resolve(
        {"label": "A", "model": "sasrec"},
        {"label": "B", "extends": "A", "accounts": {"size": "fixed-1"}},
        {"label": "C", "extends": "B", "accounts": {"seed": 3}},
        {"label": "{size}", "model": "sasrec", "grid": {"accounts.size": ["fixed-2", "mixed"]}},
        protocol="shared-merge",
        accounts={"partners": "unlike"},
    )
    assert rows.protocol.accounts == Accounts(partners="unlike")
    assert {row.label: row.accounts for row in rows.models} == {
        "A": {},
        "B": {"size": "fixed-1"},
        "C": {"size": "fixed-1", "seed": 3},
        "fixed-2": {"size": "fixed-2"},
        "mixed": {"size": "mixed"},
    }


@pytest.mark.parametrize(
    "name", ["quickstart", "ablation", "ablation-small", "main", "published-lares", "published-mancar"]
)
def test_the_suites_that_ship_resolve(name: str) -> None:
    from lrbench.execution.rows import resolve_rows
    from lrbench.resources import find_suite

    rows = resolve_rows(read_suite_file(find_suite(name)))
    assert {row.label for row in rows} >= {"LARES"}


def test_a_comparison_has_a_margin_of_two_per_cent_unless_said() -> None:
    row = {"label": "A", "model": "m"}
    assert resolve(row).comparison.margin == 0.02
    assert resolve(row, comparison={"margin": 0.01}).comparison.margin == 0.01
    for wrong in (0, 1.5):
        with pytest.raises(ValidationError, match="margin"):
            resolve(row, comparison={"margin": wrong})
