"""The compact form of an archive: all files in one compressed stream, with tables as packed tables.

It takes about a quarter of the space. The files of a suite are similar, and in one stream each of them can
refer to earlier ones. An import writes the tables as Parquet files again, with the same bytes. Another
version of Polars may write other bytes. Their digests are then renewed in the records that name them.
"""

import hashlib
import lzma
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO

import polars as pl

from lrbench.polars_files import read_parquet
from lrbench.store.archive_form import FileList
from lrbench.store.brief_ranks import renew_evaluation, write_renewed
from lrbench.store.layout import HISTORY_FILE, RANKS_FILE, Results
from lrbench.store.packed_table import pack, unpack
from lrbench.store.seal import file_digest
from lrbench.store.trials import read_record

__all__ = ["LARGEST_RATIO", "read_packed", "renew_tables", "write_packed"]

LARGEST_RATIO = 2000
"""Most bytes that a byte of the stream may unpack to. The average is about 40, and 150 in a brief archive."""

LARGEST_TABLE = 1 << 30
"""Most bytes of a packed table, which is read into memory: enough for 20 rankings of a million targets."""

_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 64 << 20, "lc": 0, "pb": 0}]
"""With ``lc`` and ``pb``, which suit text and words of four bytes, a stream of ranks is 2 % larger."""
_STATISTICS = {RANKS_FILE: False, HISTORY_FILE: True}
"""Tables that are packed → whether trials write statistics into them."""


def write_packed(suite: str, contents: Mapping[str, Path], target: IO[bytes]) -> FileList:
    """Write the stream, and return the list of its files.

    Args:
        suite: name of the suite.
        contents: path below the results folder → file.
        target: receives the stream.
    """
    compressor = lzma.LZMACompressor(filters=_FILTERS)
    files, sizes, tables = {}, {}, []
    for name, file in contents.items():
        content = file.read_bytes()
        if (table := _as_table(file, content)) is not None:
            tables.append(name)
            content = table
        files[name], sizes[name] = hashlib.sha256(content).hexdigest(), len(content)
        target.write(compressor.compress(content))
    target.write(compressor.flush())
    return FileList(
        version=2, suite=suite, files=files, sizes=sizes, tables=tuple(tables), polars=pl.__version__
    )


def _as_table(file: Path, content: bytes) -> bytes | None:
    """Return a file as a packed table.

    ``None``: it is no table, is too large, or would not become the same bytes again.
    """
    if file.name not in _STATISTICS:
        return None
    try:
        packed = pack(read_parquet(content))
    except ValueError:  # a text is too long, or a column has another type
        return None
    same = len(packed) <= LARGEST_TABLE and _parquet(unpack(packed), file.name) == content
    return packed if same else None


def _parquet(table: pl.DataFrame, name: str) -> bytes:
    buffer = BytesIO()
    table.write_parquet(buffer, statistics=_STATISTICS[name])
    return buffer.getvalue()


def read_packed(stream: Iterable[bytes], listed: FileList, folder: Path) -> None:
    """Write the files of a stream below ``folder``, in the layout of a results folder.

    Only one table at a time is held in memory, and its size is limited. Other files are written in parts.

    Raises:
        ValueError: the stream is damaged, or its files are not those that are listed.
    """
    content, tables = _Content(stream), frozenset(listed.tables)
    for name, size in listed.sizes.items():
        path, found = folder / name, hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        packed = name in tables
        if packed and (size > LARGEST_TABLE or path.name not in _STATISTICS):
            raise ValueError(f"{name} is too large for a table, or is none")
        with BytesIO() if packed else path.open("xb") as file:
            for part in content.next_bytes(size, name):
                found.update(part)
                file.write(part)
            whole = file.getvalue() if isinstance(file, BytesIO) else b""
        if found.hexdigest() != listed.files[name]:
            raise ValueError(f"the digest of {name} does not match")
        if packed:
            path.write_bytes(_parquet(unpack(whole), path.name))
    if not content.is_at_end():
        raise ValueError("it holds more than it lists")


class _Content:
    """The decompressed content of a stream, which is read in order."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._parts = _decompressed(stream)
        self._left = b""
        """Bytes of the last part that have not been returned yet."""

    def next_bytes(self, size: int, name: str) -> Iterator[bytes]:
        """Yield the next ``size`` bytes in parts.

        Raises:
            ValueError: there are fewer.
        """
        while size > 0:
            part = self._left or next(self._parts, None)
            if part is None:
                raise ValueError(f"{name} is cut off")
            yield part[:size]
            self._left = part[size:]
            size -= min(size, len(part))

    def is_at_end(self) -> bool:
        """Whether all bytes have been returned."""
        return not self._left and next(self._parts, None) is None


def _decompressed(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the decompressed content of a stream, in parts of 1 byte to 1 MiB.

    Raises:
        ValueError: the stream is damaged, cut off, or followed by other bytes.
    """
    decompressor = lzma.LZMADecompressor(memlimit=256 << 20)
    try:
        for chunk in stream:
            if decompressor.eof:
                raise ValueError("bytes follow its end")
            given = chunk
            while not decompressor.eof:
                # A chunk gives no output if it ends within a block, or exactly after a full part.
                if part := decompressor.decompress(given, max_length=1 << 20):
                    yield part
                given = b""
                if decompressor.needs_input:
                    break
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from error
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("its stream does not end where the file does")


def renew_tables(staged: Results, listed: FileList) -> None:
    """Renew the digests of packed tables, which this version of Polars may write with other bytes.

    Raises:
        LrbenchError: a record cannot be read.
    """
    packed = {staged.root / name for name in listed.tables}
    for folder in staged.trials():
        record = read_record(folder)
        found = {name: file_digest(folder / name) for name in _STATISTICS if folder / name in packed}
        renewed = record.model_copy(update={"digests": {**record.digests, **found}})
        if renewed != record:
            write_renewed(renewed, staged)
        elif staged.evaluation(record.id) / RANKS_FILE in packed:
            renew_evaluation(record.id, staged)
