"""bzip2 and xz files of one stream or of many, as parallel compressors write them."""

import io
from collections.abc import Callable
from typing import IO, Any

__all__ = ["Streams"]

_CHUNK = 1 << 16


class Streams(io.RawIOBase):
    """The content of compressed streams, one after the other.

    ``bz2.open`` and ``lzma.open`` leave out what follows a stream and begins no other. A flipped bit at the
    start of a stream would then cut off the rest of the file without a word. Here it is an error.

    Args:
        stored: the compressed file.
        begin: makes what decompresses a stream: ``BZ2Decompressor`` or ``LZMADecompressor``.
    """

    def __init__(self, stored: IO[bytes], begin: Callable[[], Any]) -> None:
        self._stored = stored
        self._begin = begin
        self._stream = begin()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Decompress the next bytes.

        Raises:
            EOFError: the last stream is cut off.
            OSError, lzma.LZMAError: a stream is damaged.
        """
        content = b""
        while not content:
            given = b""
            if self._stream.eof:
                given = self._stream.unused_data or self._stored.read(_CHUNK)
                if not given:
                    return 0
                self._stream = self._begin()
            elif self._stream.needs_input:
                given = self._stored.read(_CHUNK)
                if not given:
                    raise EOFError("it ends within a compressed stream")
            content = self._stream.decompress(given, max_length=len(buffer))
        buffer[: len(content)] = content
        return len(content)
