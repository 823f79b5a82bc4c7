import math

import pytest

from lrbench.report import numbers


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.plain(0.09214), "0.0921"),
        (numbers.plain(math.nan), "–"),
        (numbers.signed(-0.00123), "−0.0012"),
        (numbers.signed(0.5, 2), "+0.50"),
        (numbers.percent(0.0534), "+5.3"),
        (numbers.interval(-0.01, 0.02, 2), "[−0.01, +0.02]"),
        (numbers.interval(math.nan, math.nan), ""),
        (numbers.p_value(0.0004), "< 0.001"),
        (numbers.p_value(0.0126), "0.013"),
        (numbers.p_value(math.nan), "–"),
        (numbers.amount(123_456), "123 k"),
        (numbers.amount(999), "999"),
        (numbers.amount(0), "0"),
        (numbers.amount(1_000), "1 k"),
        (numbers.amount(999_499), "999 k"),
        (numbers.amount(999_700), "1 M"),
        (numbers.amount(999.7), "1 k"),
        (numbers.amount(2.5e9, "B"), "2.5 GB"),
        (numbers.metric_title("ndcg@10"), "NDCG@10"),
        (numbers.metric_title("recall@5"), "Recall@5"),
        (numbers.metric_title("mrr"), "MRR"),
    ],
)
def test_written_for_people(written: str, expected: str) -> None:
    assert written == expected
