"""Metrics of items and of titles, by hand."""

import polars as pl
import pytest

from lrbench.config.protocol import find_protocol
from lrbench.store.mean_metrics import mean_metrics, title_metrics
from lrbench.store.trials import RANKS

PROTOCOL = find_protocol("rows-10")
ITEMS = pl.Series(["a", "b", "c", "d", "e"])


def ranks(*rows: tuple[str, float, int], depth: int = 1) -> pl.DataFrame:
    """Test rows: target, mid-rank and ties."""
    values = [("test", "u", target, depth, 0, rank, rank, ties, ties, "none") for target, rank, ties in rows]
    return pl.DataFrame(values, schema=RANKS, orient="row")


def test_a_hit_on_the_title_counts_where_items_share_it() -> None:
    titles = pl.Series(["Hits", "Hits", "Rain", None, None])
    found = ranks(("a", 1.5, 1), ("c", 2.0, 0), ("d", 3.5, 1))  # d ties with an item of another title
    by_title = title_metrics(found, ITEMS, titles, PROTOCOL, 1)
    assert by_title["recall@1"] == pytest.approx(1 / 3)
    assert mean_metrics(found, PROTOCOL)["test"]["1"]["recall@1"] == pytest.approx(0.5 / 3)
    assert by_title["recall@3"] == pytest.approx((1 + 1 + 0.5) / 3)


def test_items_that_a_search_did_not_find_stay_behind() -> None:
    """They tie with more items than have their title."""
    titles = pl.Series(["Hits", "Hits", "Rain", "Snow", "Hail"])
    found = ranks(("a", 4.0, 2))
    assert title_metrics(found, ITEMS, titles, PROTOCOL, 1) == mean_metrics(found, PROTOCOL)["test"]["1"]


def test_other_depths_and_validation_do_not_count() -> None:
    titles = pl.Series(["Hits", "Hits", "Rain", "Snow", "Hail"])
    found = pl.concat((ranks(("a", 1.5, 1)), ranks(("a", 9.0, 0), depth=0)))
    assert title_metrics(found, ITEMS, titles, PROTOCOL, 1)["recall@1"] == 1


def test_there_is_nothing_to_say_where_all_titles_differ() -> None:
    titles = pl.Series(["Hits", None, None, "Snow", "Hail"])
    assert title_metrics(ranks(("a", 1.0, 0)), ITEMS, titles, PROTOCOL, 1) == {}
