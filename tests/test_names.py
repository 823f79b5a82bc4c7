import pytest

from lrbench.errors import RequestError
from lrbench.names import label_fault, matching_names, name_fault


@pytest.mark.parametrize("name", ["sasrec", "amazon-2014-beauty", "9.b_C", "x" * 64])
def test_right_names(name: str) -> None:
    assert name_fault(name) == ""


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "-x", "a b", "a\n", "é", "²", "a\x1b", "x" * 65]
)
def test_wrong_names(name: str) -> None:
    assert name_fault(name).startswith("a name ")


@pytest.mark.parametrize("label", ["LARES [w/o RPT]", "Pop [/b]", "=1+2", "項目 ²", "x" * 200])
def test_right_labels(label: str) -> None:
    assert label_fault(label) == ""


@pytest.mark.parametrize("label", ["", "  ", "a\nb", "a\x1b[31m", "a\x9b", "a\u2028", "\t", "x" * 201])
def test_wrong_labels(label: str) -> None:
    assert label_fault(label)


@pytest.mark.parametrize("pattern", ["Pop [w/o RPT]", "Pop [*", "Pop [w/o*", "*[w/o RPT]", "Pop ?w/o RPT?"])
def test_brackets_in_a_pattern_are_brackets(pattern: str) -> None:
    assert matching_names(["Pop", "Pop w", "Pop [w/o RPT]"], [pattern], "row") == ["Pop [w/o RPT]"]


def test_several_patterns_choose_together_and_each_must_match() -> None:
    names = ["SASRec", "LARES", "LARES (2, tied)", "LARES*"]
    assert matching_names(names, ["LARES*", "SAS*"], "row") == ["SASRec", "LARES*"]  # a name, then a pattern
    assert matching_names(names, ["LARES ?2*"], "row") == ["LARES (2, tied)"]
    with pytest.raises(RequestError, match=r'"GRU\*" matches no row\..* Write \\, for a comma in a name\.'):
        matching_names(names, ["LARES", "GRU*"], "row")
