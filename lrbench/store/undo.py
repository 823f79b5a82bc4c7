"""Steps that are undone if a later one fails or is interrupted."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lrbench.files import rename, write_bytes

__all__ = ["move", "overwrite", "undone_on_error"]


@contextmanager
def undone_on_error() -> Iterator[ExitStack]:
    """Yield a stack of steps that undo what the block did. They run only if the block fails."""
    with ExitStack() as undo:
        yield undo
        undo.pop_all()


def move(source: Path, target: Path, undo: ExitStack) -> None:
    """Rename a file or folder; an error later renames it back, so that no reader sees half of it.

    The undoing is noted first, since an interrupt may come right after the renaming.
    """
    undo.callback(_move_back, source, target)
    rename(source, target)


def overwrite(file: Path, content: bytes, undo: ExitStack) -> None:
    """Write a file; an error later restores its former content, or removes it if there was none."""
    if file.exists():
        undo.callback(write_bytes, file, file.read_bytes())
    else:
        undo.callback(file.unlink, missing_ok=True)
    write_bytes(file, content)


def _move_back(source: Path, target: Path) -> None:
    if not source.exists():
        rename(target, source)
