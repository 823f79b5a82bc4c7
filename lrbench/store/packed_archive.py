"""The compact form of an archive: all files in one compressed stream, with tables as packed tables.

It takes about a quarter of the space. Files of one suite are alike, and one stream lets each refer to those
before it. An import makes Parquet files of the tables again, with the same bytes. Another version of Polars
may write them with other bytes; their digests are then renewed in the records that name them.
"""

import hashlib
import lzma
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO

import polars as pl

from lrbench.files import write_text
from lrbench.polars_files import read_parquet
from lrbench.store.archive_form import FileList
from lrbench.store.evaluations import EvaluationRecord
from lrbench.store.layout import EVALUATION_FILE, HISTORY_FILE, RANKS_FILE, RECORD_FILE, Results
from lrbench.store.packed_table import pack, unpack
from lrbench.store.seal import file_digest, sealed_json
from lrbench.store.trials import read_record

__all__ = ["LARGEST_RATIO", "read_packed", "renew_tables", "write_packed"]

LARGEST_RATIO = 500
"""Most bytes that a byte of the stream may become; on average it becomes about 40."""

_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 64 << 20}]
_STATISTICS = {RANKS_FILE: False, HISTORY_FILE: True}
"""Tables that are packed, and whether trials write statistics into them."""


def write_packed(suite: str, contents: Mapping[str, Path], target: IO[bytes]) -> FileList:
    """Write the stream, and return the list that belongs to it."""
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
    """Pack a table; ``None`` if it is none, or one that would not become the same bytes again."""
    if file.name not in _STATISTICS:
        return None
    table = read_parquet(content)
    packed = pack(table)
    return packed if _parquet(unpack(packed), file.name) == content else None


def _parquet(table: pl.DataFrame, name: str) -> bytes:
    buffer = BytesIO()
    table.write_parquet(buffer, statistics=_STATISTICS[name])
    return buffer.getvalue()


def read_packed(stream: Iterable[bytes], listed: FileList, folder: Path) -> None:
    """Write the files of a stream below ``folder``, in the layout of a results folder.

    Raises:
        ValueError: the stream is damaged, or its files are not those that are listed.
    """
    content = _decompressed(stream)
    left = b""
    for name, size in listed.sizes.items():
        parts, missing = [left[:size]], size - len(left)
        left = left[size:]
        while missing > 0:
            chunk = next(content, b"")
            if not chunk:
                raise ValueError(f"{name} is cut off")
            parts.append(chunk[:missing])
            left = chunk[missing:]
            missing -= len(chunk)
        whole = b"".join(parts)
        if hashlib.sha256(whole).hexdigest() != listed.files[name]:
            raise ValueError(f"the digest of {name} does not match")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_parquet(unpack(whole), path.name) if name in listed.tables else whole)
    if left or next(content, b""):
        raise ValueError("it holds more than it lists")


def _decompressed(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what a stream becomes, in parts of at most a megabyte."""
    decompressor = lzma.LZMADecompressor(memlimit=256 << 20)
    try:
        for chunk in stream:
            given = chunk
            while not decompressor.eof:
                yield decompressor.decompress(given, max_length=1 << 20)
                given = b""
                if decompressor.needs_input:
                    break
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from error


def renew_tables(staged: Results) -> None:
    """Renew the digests of tables that this version of Polars writes with other bytes.

    Raises:
        LrbenchError: a record cannot be read.
    """
    for folder in staged.trials():
        record = read_record(folder)
        found = {name: file_digest(folder / name) for name in _STATISTICS if (folder / name).is_file()}
        renewed = record.model_copy(update={"digests": {**record.digests, **found}})
        if renewed == record:
            continue
        write_text(folder / RECORD_FILE, sealed_json(renewed))
        path = staged.evaluation(record.id) / EVALUATION_FILE
        if path.is_file():
            evaluation = EvaluationRecord.model_validate_json(path.read_text(encoding="utf-8"))
            digests = {
                "trial_digest": read_record(folder).digest,
                "ranks_digest": file_digest(path.with_name(RANKS_FILE)),
            }
            write_text(path, sealed_json(evaluation.model_copy(update=digests)))
