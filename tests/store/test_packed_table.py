"""Tables are packed without loss, and what is no packed table is refused."""

import lzma

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_results import Made, make_ranks

from lrbench.store.packed_table import pack, unpack

COLUMNS = {
    "text": (pl.String, st.text('ab\u00e9\u4e2d\n\0"', max_size=5)),
    "number": (pl.Float64, st.floats()),
    "count": (pl.Int64, st.integers(-(2**63), 2**63 - 1)),
    "ties": (pl.Int32, st.integers(-(2**31), 2**31 - 1)),
}


@given(st.data())
def test_any_table_is_read_back(data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 6))
    series = [
        pl.Series(name, data.draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind)
        for name, (kind, values) in COLUMNS.items()
    ]
    table = pl.DataFrame(series)
    found = unpack(pack(table))
    assert found.schema == table.schema
    assert found.equals(table)


@pytest.mark.parametrize("value", [None, True, 0.5, [1, 2]])
def test_columns_of_other_types_are_not_packed(value: object) -> None:
    """A trainer of one's own, or another program, may have written the history."""
    kind = pl.Float32 if value == 0.5 else None
    table = pl.DataFrame({"loss": [0.1, 0.2], "extra": pl.Series([value, value], dtype=kind)})
    with pytest.raises(ValueError, match="the column extra has the type"):
        pack(table)


@pytest.mark.parametrize("cut", [0, 1, 700])
def test_ranks_are_read_back(cut: int) -> None:
    """Also with ranks at half places, and when the last ranking is not whole."""
    made = Made("A", 1.0, "lares", depths=(0, 1, 4), draws=2)
    table = make_ranks(made, "sample", 1, users=150).with_columns(rank=pl.col("rank") + 0.5)
    table = table.head(table.height - cut)
    assert unpack(pack(table)).equals(table)


def test_tables_of_earlier_versions_are_read() -> None:
    """There, a doubled rank is the difference from the doubled rank ``step`` rows before."""
    table = pl.DataFrame({"rank": [3.0, 5.5, 4.0, 1.0, 7.0]})
    differences = np.array([6, 11, 8 - 6, 2 - 11, 14 - 8], "<i4")
    planes = differences.view(np.uint8).reshape(5, 4).T.tobytes()
    head = b'{"rows":5,"columns":[{"name":"rank","nulls":[],"kind":"halves","step":2}]}'
    assert unpack(head + b"\n" + planes).equals(table)


def test_ranks_that_are_no_ranks_are_read_back() -> None:
    table = make_ranks(Made("A"), "sample", 1, users=4)
    odd = pl.Series([0.1, float("nan"), float("inf"), 1e300, 1.0, 2.0, 3.0, 4.0])
    table = table.with_columns(rank=odd)
    assert unpack(pack(table)).equals(table)


def test_packed_ranks_are_smaller_than_numbers() -> None:
    made = Made("A", 1.0, "lares", depths=(0, 1, 2, 4, 8), per_doubling=0.1)
    table = make_ranks(made, "sample", 1)
    assert len(lzma.compress(pack(table))) < table.height * np.dtype(np.int32).itemsize


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}\n",
        b"[1]\n",
        b'{"rows": 1, "columns": []}\nx',
        b'{"rows": -1, "columns": [{"name": "a", "kind": "Int32", "nulls": []}]}\n',
        b'{"rows": 9, "columns": [{"name": "a", "kind": "Int32", "nulls": []}]}\nxx',
        b'{"rows": 1, "columns": [{"name": "a", "kind": "Object", "nulls": []}]}\nxxxx',
        b'{"rows": 1, "columns": [{"name": "a", "kind": "Int32", "nulls": [7]}]}\nxxxx',
        b'{"rows": 1, "columns": [{"name": "a", "kind": "String", "texts": ["b"], "nulls": []}]}\nxxxx',
        b'{"rows": 1, "columns": [{"name": "rank", "kind": "halves", "step": 0, "nulls": []}]}\nxxxx',
        b'{"rows": 1, "columns": [{"name": "rank", "kind": "halves", "step": 400000000, "nulls": []}]}\nxxxx',
        b'{"rows": 1, "columns": [{"name": "b", "kind": "halves", "step": 1, "nulls": []}]}\nxxxx',
    ],
)
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(content)


def test_texts_that_are_too_long_are_not_packed() -> None:
    pack(pl.DataFrame({"text": ["x" * 1000]}))
    with pytest.raises(ValueError, match="a text has more than 1,000 characters"):
        pack(pl.DataFrame({"text": ["a", "x" * 1001]}))
