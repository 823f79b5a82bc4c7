"""How much of the cost of sharing an account do rows on shared accounts win back?

A plain model is any row that the suite has twice with the same settings: on merged accounts, and on accounts
of one member (``accounts = { size = "fixed-1" }``). Every other row on the same accounts is compared with it.
"""

from collections.abc import Iterator, Sequence

from lrbench.config.accounts import Accounts
from lrbench.report.findings import RecoveryFinding
from lrbench.report.label_metrics import Measured
from lrbench.stats.recovery import recovery

__all__ = ["find_recoveries"]


def find_recoveries(measured: Sequence[Measured], metric: str) -> Iterator[RecoveryFinding]:
    """Yield one finding for every row on merged accounts and every plain model on the same accounts."""
    for merged in measured:
        accounts = _accounts(merged)
        if accounts is None or accounts.size == "fixed-1" or accounts.scope == "account":
            continue
        for unmerged in measured:
            if not _is_twin(unmerged, merged):
                continue
            for entry in measured:
                if entry.dataset != merged.dataset or entry.ids == merged.ids or _accounts(entry) != accounts:
                    continue
                method, plain, alone = (part.metrics[metric] for part in (entry, merged, unmerged))
                yield RecoveryFinding(
                    dataset=entry.dataset,
                    label=entry.label,
                    merged=merged.label,
                    unmerged=unmerged.label,
                    size=accounts.size,
                    metric=metric,
                    mean=method.mean,
                    merged_mean=plain.mean,
                    unmerged_mean=alone.mean,
                    recovery=recovery(method, plain, alone),
                )


def _accounts(entry: Measured) -> Accounts | None:
    return entry.trials[0].record.protocol.accounts


def _is_twin(unmerged: Measured, merged: Measured) -> bool:
    """Whether two rows differ only in that the first has accounts of one member."""
    alone = _accounts(unmerged)
    if alone is None or alone.size != "fixed-1" or unmerged.dataset != merged.dataset:
        return False
    first, second = (entry.trials[0].record.config for entry in (unmerged, merged))
    same = {"protocol": second.protocol, "seed": second.seed}
    return first.model_copy(update=same) == second
