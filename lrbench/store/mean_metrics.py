"""Mean metrics of stored ranks."""

import polars as pl

from lrbench.config.protocol import Protocol
from lrbench.metrics import metric_function

__all__ = ["mean_metrics"]


def mean_metrics(ranks: pl.DataFrame, protocol: Protocol) -> dict[str, dict[str, dict[str, float]]]:
    """Return means over users and draws of the headline ranks: split → depth → metric → value.

    Args:
        ranks: rows as :data:`lrbench.store.trials.RANKS`. Where ties are unknown (null), as in trials of
            earlier versions, the metrics are those of the mid-ranks.
        protocol: says which ranks are headline and which metrics are computed, besides MRR.
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
