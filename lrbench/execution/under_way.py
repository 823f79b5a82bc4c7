"""The folder of an order that is under way, and since when its content counts."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lrbench.execution.order import TrialOrder
from lrbench.files import read_plain, remove, write_text
from lrbench.store.layout import SINCE_FILE

__all__ = ["folder_under_way"]


def folder_under_way(order: TrialOrder) -> Path:
    """Make the folder with the checkpoint and the log of an order, and return it.

    If only what was begun since a time counts, older content is removed, and the time is noted. A later
    attempt at the same order finds the note, and goes on from the checkpoint.
    """
    folder = order.results.running(order.config.id)
    if order.since is not None and not _counts_since(folder, order.since):
        with suppress(OSError):
            remove(folder)
        write_text(folder / SINCE_FILE, order.since.isoformat())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _counts_since(folder: Path, since: datetime) -> bool:
    """Whether the content of a folder was begun by an order that counts since then, or since later."""
    try:
        noted = datetime.fromisoformat(read_plain(folder / SINCE_FILE))
    except (OSError, ValueError):
        return False
    return noted.astimezone(UTC) >= since
