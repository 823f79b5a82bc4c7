"""Splitting: what a protocol trains on, selects on and tests on.

The protocol's field ``split`` names the way, and ``ties`` the order at equal times. Each way has a file in
``splits/``.
"""

from collections.abc import Callable

from lrbench.config.protocol import Protocol
from lrbench.data.sequences import Sequences, Split
from lrbench.data.splits.account_rows import account_rows
from lrbench.data.splits.accounts import shared_accounts
from lrbench.data.splits.leave_one_out import leave_one_out
from lrbench.data.splits.time import by_time
from lrbench.errors import RequestError

__all__ = ["split", "split_to_train"]

_SPLITS: dict[str, Callable[[Sequences, Protocol], Split]] = {
    "leave-one-out": leave_one_out,
    "time": by_time,
    "shared-accounts": shared_accounts,
    "account-rows": account_rows,
}


def split(sequences: Sequences, protocol: Protocol) -> Split:
    """Split prepared sequences as the protocol says.

    Args:
        sequences: of a prepared dataset.
        protocol: the one that holds for the dataset; see ``Protocol.of``.

    Raises:
        RequestError: the data cannot be split in this way.
    """
    return _SPLITS[protocol.split](_ordered(sequences, protocol), protocol)


def split_to_train(sequences: Sequences, protocol: Protocol, name: str) -> Split:
    """Split as :func:`split` does, for training. Inspection also shows data in which nobody is evaluated.

    Args:
        sequences, protocol: as for :func:`split`.
        name: the dataset's name, for messages.

    Raises:
        RequestError: the data cannot be split in this way, or nobody is evaluated.
    """
    parts = split(sequences, protocol)
    if not len(parts.valid) or not len(parts.test):
        raise RequestError(
            f"Nobody in {name} can be evaluated under {protocol.name}: it holds out two interactions and "
            "trains on the earlier ones, and nobody has three.",
            "Choose a dataset with longer sequences.",
        )
    return parts


def _ordered(sequences: Sequences, protocol: Protocol) -> Sequences:
    """Put interactions of equal time into the protocol's order."""
    match protocol.ties:
        case "stable-time-then-file-order":
            return sequences  # preparation has put them into this order
