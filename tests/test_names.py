import pytest

from lrbench.names import label_fault, label_matches, name_fault


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
    assert label_matches("Pop [w/o RPT]", pattern)
    assert not label_matches("Pop w", pattern)
    assert not label_matches("Pop", pattern)
