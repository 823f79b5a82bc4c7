"""Mean metrics of stored ranks."""

import polars as pl

from lrbench.config.protocol import Protocol
from lrbench.metrics import metric_function

__all__ = ["mean_metrics", "title_metrics"]


def mean_metrics(ranks: pl.DataFrame, protocol: Protocol) -> dict[str, dict[str, dict[str, float]]]:
    """Return means over users and draws of the headline ranks: split → depth → metric → value.

    Args:
        ranks: rows as :data:`lrbench.store.trials.RANKS`. Where ties are unknown (null), as in trials of
            earlier versions, the metrics are those of the mid-ranks.
        protocol: says which ranks are headline, and which metrics are computed besides MRR.
    """
    suffix = "_masked" if protocol.mask_seen else ""
    means: dict[str, dict[str, dict[str, float]]] = {}
    for (split, depth), rows in ranks.group_by("split", "depth", maintain_order=True):
        values, column = rows[f"rank{suffix}"].to_numpy(), rows[f"ties{suffix}"]
        ties = None if column.null_count() else column.to_numpy()
        means.setdefault(str(split), {})[str(depth)] = {
            metric: float(metric_function(metric)(values, ties).mean())
            for metric in (*protocol.metrics, "mrr")
        }
    return means


def title_metrics(
    ranks: pl.DataFrame, items: pl.Series, titles: pl.Series, protocol: Protocol, depth: int
) -> dict[str, float]:
    """Return test metrics at a depth if any item with the target's title counted as the target.

    Published results of language models are of this kind. A model that scores titles gives items with one
    title the same score. If a target has no more ties than there are other items with its title, its ties are
    taken to be these items. The target then gets the best of the tied ranks.

    Args:
        ranks: rows as :data:`lrbench.store.trials.RANKS`, with ties.
        items: raw ids of all items, (items,).
        titles: their titles, (items,); null where the source has none.
        protocol: says which ranks are headline, and which metrics are computed besides MRR.
        depth: number of latent reasoning steps.

    Returns:
        Metric → value; empty if no two items have the same title.
    """
    named = pl.DataFrame({"target": items, "title": titles})
    alike = named.drop_nulls().with_columns(others=pl.len().over("title") - 1).filter(pl.col("others") > 0)
    if alike.is_empty():
        return {}
    suffix = "_masked" if protocol.mask_seen else ""
    rank, ties = pl.col(f"rank{suffix}"), pl.col(f"ties{suffix}")
    shared = ties <= pl.col("others").fill_null(0)
    merged = (
        ranks.filter(pl.col("split") == "test", pl.col("depth") == depth)
        .join(alike, on="target", how="left", maintain_order="left")
        .with_columns(
            pl.when(shared).then(rank - ties / 2).otherwise(rank).alias(f"rank{suffix}"),
            pl.when(shared).then(0).otherwise(ties).alias(f"ties{suffix}"),
        )
    )
    return mean_metrics(merged, protocol)["test"][str(depth)]
