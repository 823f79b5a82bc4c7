"""Text is surveyed once before it is parsed: how many lines it has, which are blank, its encoding.

Every reader of text compares its number of rows with the number of lines, so that no row is lost unnoticed.
What Polars cannot scan as it is (another encoding, a zip member, bzip2, xz) is decoded into memory. Plain and
gzipped UTF-8 stays on disk and is scanned in pieces.
"""

import codecs
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from lrbench.arrays import Int64s
from lrbench.data.readers.archive import PARQUET_MAGIC, RawFile
from lrbench.errors import RequestError
from lrbench.wording import counted

__all__ = ["Text", "survey"]

_LONGEST_FIRST_LINE = _PIECE = 1 << 20  # bytes
_LONGEST_LINE = 64 << 20  # bytes
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Text:
    """Text that was surveyed."""

    name: str
    """What messages call it."""

    content: Path | bytes
    """UTF-8 without a byte-order mark: a plain or gzipped file, or the content itself."""

    lines: int
    """How many lines there are, blank ones included."""

    blank: Int64s
    """Numbers of the blank lines, counted from 1, (blank lines,)."""

    has_quotes: bool
    """Whether a double quote occurs."""

    has_lone_returns: bool
    """Whether a carriage return occurs that no line feed follows."""

    occurrences: Mapping[str, int]
    """How often each requested word occurs, not counting blank lines."""

    notes: tuple[str, ...] = ()
    """What a person must know about how it was read."""

    def load(self) -> bytes:
        """Return the whole text, UTF-8 without a byte-order mark."""
        return self.content if isinstance(self.content, bytes) else RawFile(self.content, None).load()

    @contextmanager
    def open(self, newline: str = "") -> Iterator[IO[str]]:
        """Open the text. ``newline`` has the meaning that it has for :func:`open`; "" keeps line ends."""
        with ExitStack() as stack:
            if isinstance(self.content, bytes):
                stream: IO[bytes] = io.BytesIO(self.content)
            else:
                stream = RawFile(self.content, None).open(stack)
            yield stack.enter_context(io.TextIOWrapper(stream, encoding="utf-8", newline=newline))

    @property
    def blank_notes(self) -> tuple[str, ...]:
        """The note of readers that leave out blank lines: how many there are, and where."""
        if not len(self.blank):
            return ()
        first = f"the first is line {self.blank[0]}" if len(self.blank) > 1 else f"line {self.blank[0]}"
        return (f"{self.name}: {counted(len(self.blank), 'blank line')} left out ({first}).",)

    def first_line(self) -> tuple[int, str]:
        """Return the first line that is not blank: its number, and the line without its end.

        ``(0, "")`` if there is none.
        """
        with self.open() as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip(" \r\n"):
                    return number, line.rstrip("\r\n")
        return 0, ""


def survey(file: RawFile, encoding: str = "", words: Sequence[str] = ()) -> Text:
    """Survey a text file.

    Args:
        file: the file or the member of an archive.
        encoding: a name that Python knows. Empty: UTF-8 with or without a byte-order mark, UTF-16 with one,
            or else Latin-1, with a note that says so.
        words: what to count; none may contain a line break.

    Raises:
        RequestError: it is not text, an encoding is unknown or does not fit, or the file is damaged.
    """
    start = file.start()
    if start.startswith(PARQUET_MAGIC):
        raise RequestError(f"{file.name} is a Parquet file.", 'Use the reader "parquet".')
    if len(start) == _LONGEST_FIRST_LINE and b"\n" not in start and b"\r" not in start:
        raise RequestError(
            f"{file.name} is no table: its first line is longer than a megabyte.",
            "Check the reader and the file.",
        )
    codec = _known(encoding) or next(
        (codec for mark, codec in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), "utf-8"
    )
    if codec != "utf-8":
        return _decoded(
            file,
            words,
            codec,
            ()
            if encoding
            else (f"{file.name} begins with the byte-order mark of {codec.removesuffix('-sig').upper()}.",),
        )
    content = file.path if file.is_plain_or_gzip() else file.load()
    count = _Count(file.name, words)
    count.take(file.chunks() if isinstance(content, Path) else _pieces(content))
    if count.only_returns:
        return _decoded(file, words, "utf-8", ())
    if not count.wrong_line:
        return count.text(content, ())
    if encoding:
        raise RequestError(
            f"{file.name}, line {count.wrong_line}: this is not {codec}.", "Choose another encoding."
        )
    return _decoded(
        file,
        words,
        "latin-1",
        (
            f"{file.name}, line {count.wrong_line}: this is not UTF-8. The file was read as Latin-1; "
            "the option encoding=NAME chooses another.",
        ),
    )


def _known(encoding: str) -> str:
    """Return Python's own name of an encoding; "" for "".

    Raises:
        RequestError: Python does not know it.
    """
    if not encoding:
        return ""
    try:
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise RequestError(
            f'There is no encoding "{encoding}".', "Usual ones: utf-8, latin-1, cp1252."
        ) from None


def _decoded(file: RawFile, words: Sequence[str], codec: str, notes: tuple[str, ...]) -> Text:
    """Survey a file whose encoding is not UTF-8, or whose lines end in carriage returns alone."""
    raw = file.load()
    try:
        text = raw.decode(codec)
        content = (text if "\n" in text else text.replace("\r", "\n")).encode()
    except (UnicodeError, LookupError) as error:
        raise RequestError(f"{file.name} is not {codec}: {error}.", "Choose another encoding.") from error
    count = _Count(file.name, words)
    count.take(_pieces(content))
    return count.text(content, notes)


def _pieces(content: bytes) -> Iterator[bytes]:
    return (content[start : start + _PIECE] for start in range(0, len(content), _PIECE))


class _Count:
    """The counts of a text, taken piece by piece."""

    def __init__(self, name: str, words: Sequence[str]) -> None:
        self._name = name
        self._occurrences = dict.fromkeys(words, 0)
        self._lines = 0
        self._blank: list[Int64s] = []
        self._has_quotes = self._has_lone_returns = False
        self.wrong_line = 0  # the first that is not UTF-8, counted from 1
        self._has_feeds = False

    @property
    def only_returns(self) -> bool:
        """Whether lines end in carriage returns alone."""
        return self._has_lone_returns and not self._has_feeds

    def take(self, pieces: Iterable[bytes]) -> None:
        """Count the lines of all pieces. A line may begin in one piece and end in another.

        Raises:
            RequestError: a line is too long, or there is a zero byte.
        """
        rest: list[bytes] = []
        waiting = 0  # bytes of the line that is not complete yet
        for piece in pieces:
            end = piece.rfind(b"\n") + 1
            if end:
                self._count_lines(b"".join((*rest, piece[:end])))
                rest, waiting = [], 0
            rest.append(piece[end:])
            waiting += len(piece) - end
            if waiting > _LONGEST_LINE:
                raise RequestError(
                    f"{self._name}, line {self._lines + 1}: it is longer than {_LONGEST_LINE >> 20} MB.",
                    "Check the reader and the file.",
                )
        self._count_lines(b"".join(rest))

    def _count_lines(self, block: bytes) -> None:
        """Count a block of whole lines."""
        if not block:
            return
        if b"\0" in block:
            line = self._lines + block[: block.index(b"\0")].count(b"\n") + 1
            raise RequestError(
                f"{self._name}, line {line}: it has a zero byte, so the file is no text.",
                "Check the reader and the file.",
            )
        if not self.wrong_line:
            try:
                block.decode()
            except UnicodeDecodeError as error:
                self.wrong_line = self._lines + block[: error.start].count(b"\n") + 1
        self._has_quotes |= b'"' in block
        self._has_feeds |= block.endswith(b"\n")
        self._has_lone_returns |= block.count(b"\r") != block.count(b"\r\n")
        characters = np.frombuffer(block, dtype=np.uint8)
        starts = np.concatenate([[0], np.flatnonzero(characters == ord("\n")) + 1])
        if starts[-1] == len(block):
            starts = starts[:-1]
        maybe = np.flatnonzero(np.isin(characters[starts], (ord("\n"), ord("\r"), ord(" "))))
        lines = ((number, _line_at(block, int(starts[number]))) for number in maybe.tolist())
        blank = [(number, line) for number, line in lines if not line.strip(b" \r\n")]
        self._blank.append(np.array([number for number, _ in blank], dtype=np.int64) + self._lines + 1)
        for word in self._occurrences:
            sign = word.encode()
            self._occurrences[word] += block.count(sign) - sum(line.count(sign) for _, line in blank)
        self._lines += len(starts)

    def text(self, content: Path | bytes, notes: tuple[str, ...]) -> Text:
        """Return the surveyed text: its content with the counts."""
        blank = np.concatenate([np.empty(0, dtype=np.int64), *self._blank])
        return Text(
            name=self._name,
            content=content,
            lines=self._lines,
            blank=blank,
            has_quotes=self._has_quotes,
            has_lone_returns=self._has_lone_returns,
            occurrences=self._occurrences,
            notes=notes,
        )


def _line_at(block: bytes, start: int) -> bytes:
    end = block.find(b"\n", start)
    return block[start:] if end < 0 else block[start:end]
