"""From a catalogue entry to a verified raw file in the data folder.

What is fetched once is kept in ``raw/DATASET/``, with ``FILE.source.json`` beside it that says where it came
from; only a file with that record counts as fetched. Each dataset has its own copy, so that having fetched
one never changes which form of another is used. Files of a mirror folder are copied as well: preparing again
under another protocol then needs no mirror, and nothing changes behind our back.

A mirror is asked first, for every form of the dataset in order of preference; then the official addresses of
each form. A file that does not match its checksum is refused and the next place is tried; only a file that a
person hands over is taken all the same, and its record says that it is not verified. It replaces the file
that is here only once it could be read.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from pydantic import ValidationError

from lrbench.config.base import FrozenConfig
from lrbench.data.catalogue import Source
from lrbench.data.fetching.candidates import Offer, handed_offers, is_address, usual_offers
from lrbench.data.fetching.checksums import GZIP_MAGIC, verify
from lrbench.data.fetching.download import TransferError, download, state_file
from lrbench.data.fetching.locks import exclusively
from lrbench.data.folders import Folders
from lrbench.data.listener import Listener, SilentListener
from lrbench.errors import LrbenchError, RequestError
from lrbench.files import write_text

__all__ = ["AcquiredFile", "acquire", "acquire_all", "held_sha256"]

_CHUNK = 1 << 20
_AT_ONCE = 4
_HEED_INTERRUPTS = 0.2  # seconds


def acquire(
    name: str,
    sources: Sequence[Source],
    folders: Folders,
    listener: Listener | None = None,
    handed: str | None = None,
    try_out: "Callable[[AcquiredFile], object] | None" = None,
) -> "AcquiredFile":
    """Return the raw file of a dataset, fetching it unless it is here already.

    Args:
        name: the dataset's name, for messages.
        sources: its forms in order of preference.
        folders: the data folder and the mirror.
        listener: told how it goes.
        handed: what the person hands over (``--from``): a file, a folder or an address (one that ends in
            ``/`` is a mirror). It replaces what is here.
        try_out: called with what was handed over before it replaces what is here; if it raises, what is here
            stays.

    Raises:
        RequestError: what was handed over is not there, the dataset is a file of the user's own, or the data
            folder cannot be written.
        LrbenchError: no place gave the file; the message lists them all and why each failed.
    """
    listener = listener or SilentListener()
    folder = folders.raw / name
    if handed is None:
        here = next((found for source in sources if (found := _held(source, folder))), None)
        if here is not None:
            return here
    offers = usual_offers(sources, folders.mirror) if handed is None else handed_offers(name, sources, handed)
    failures = []
    for offer in offers:
        try:
            with exclusively(name, folder / f"{offer.source.stem}.lock", listener):
                if handed is not None:
                    return _replace(offer, folder, listener, try_out)
                return _held(offer.source, folder) or _fetch(offer, folder, listener)
        except TransferError as failure:
            failures.append(f"{offer.address}: {failure}")
            listener.say(f"{name}: {failures[-1]}")
    raise _nowhere(name, failures)


def acquire_all(
    wanted: Mapping[str, Sequence[Source]], folders: Folders, listener: Listener
) -> dict[str, "AcquiredFile | LrbenchError"]:
    """Fetch several datasets at once; one that fails does not stop the others.

    Args:
        wanted: the forms of each dataset in order of preference, by its name.
        folders, listener: as for :func:`acquire`.

    Returns:
        For each name the file, or what went wrong.
    """
    stop = Event()
    watched = _Interruptible(listener, stop)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = {
            name: pool.submit(acquire, name, sources, folders, watched) for name, sources in wanted.items()
        }
        try:
            while wait(running.values(), timeout=_HEED_INTERRUPTS).not_done:
                pass  # interrupt handlers of other libraries do not end a wait; its timeout does
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    outcomes: dict[str, AcquiredFile | LrbenchError] = {}
    for name, future in running.items():
        error = future.exception()
        if error is not None and not isinstance(error, LrbenchError):
            raise error
        outcomes[name] = error or future.result()
    return outcomes


def held_sha256(name: str, source: Source, folders: Folders) -> str | None:
    """Return the SHA-256 of the content that a source has now, as far as it is known without fetching."""
    held = _held(source, folders.raw / name)
    return held.sha256 if held else source.checksum.content


def _fetch(offer: Offer, folder: Path, listener: Listener) -> "AcquiredFile":
    """Get the file from a place that must have the right one, and keep it."""
    part = _part(offer.source, folder)
    return _keep(part, offer.source, folder, _take(offer, part, listener, trusted=False))


def _replace(
    offer: Offer, folder: Path, listener: Listener, try_out: "Callable[[AcquiredFile], object] | None"
) -> "AcquiredFile":
    """Get the file that a person hands over; it is kept, in place of another, unless ``try_out`` raises."""
    part = _part(offer.source, folder)
    record = _take(offer, part, listener, trusted=True)
    with TemporaryDirectory(dir=folder, prefix=".handed-over.") as aside:
        candidate = _keep(part, offer.source, Path(aside), record)
        if try_out is not None:
            try_out(candidate)
        return _keep(candidate.path, offer.source, folder, record)


def _take(offer: Offer, part: Path, listener: Listener, trusted: bool) -> "AcquisitionRecord":
    """Get the file into ``part``, compare it with its checksum, and say what it is.

    Raises:
        TransferError: it cannot be had or read, or does not match and is not handed over by a person.
    """
    source = offer.source
    if is_address(offer.address):
        download(offer.address, part, source.file_name, listener)
    else:
        _copy(Path(offer.address), part, source.file_name, listener)
    verdict = verify(part, source)
    if verdict.complaint and not (trusted and verdict.readable):
        part.unlink()
        state_file(part).unlink(missing_ok=True)
        raise TransferError(f"refused: {verdict.complaint}")
    notes = []
    if verdict.complaint:
        notes.append(f"handed over with --from and not verified: {verdict.complaint}")
        listener.say(
            f"{source.file_name} is NOT verified: {verdict.complaint}. It was handed over, so it is used "
            "if it can be read."
        )
    elif not verdict.verified:
        notes.append("no checksum is known of this file")
        listener.say(f"{source.file_name}: no checksum is known; its content has SHA-256 {verdict.sha256}.")
    with part.open("rb") as file:
        compressed = file.read(2) == GZIP_MAGIC
    return AcquisitionRecord(
        file=f"{source.file_name}.gz" if compressed else source.file_name,
        address=offer.address,
        sha256=verdict.sha256,
        verified=verdict.verified,
        notes=tuple(notes),
    )


def _keep(complete: Path, source: Source, folder: Path, record: "AcquisitionRecord") -> "AcquiredFile":
    """Give a complete file its name in a folder, and record where it came from."""
    record_file = _record_file(source, folder)
    final = record_file.with_name(record.file)
    final.parent.mkdir(parents=True, exist_ok=True)
    record_file.unlink(missing_ok=True)
    complete.replace(final)
    state_file(complete).unlink(missing_ok=True)
    write_text(record_file, record.model_dump_json(indent=2) + "\n")
    return AcquiredFile(final, source, record)


def _copy(file: Path, part: Path, name: str, listener: Listener) -> None:
    """Copy a local file, showing how far it is; it cannot be resumed."""
    try:
        origin = file.open("rb")
    except FileNotFoundError as error:
        raise TransferError("there is no such file") from error
    except OSError as error:
        raise TransferError(f"it cannot be read: {error.strerror}") from error
    state_file(part).unlink(missing_ok=True)
    total = file.stat().st_size
    with origin, part.open("wb") as copy:
        while chunk := origin.read(_CHUNK):
            copy.write(chunk)
            listener.advance(name, copy.tell(), total)


def _held(source: Source, folder: Path) -> "AcquiredFile | None":
    """Return the file if it is here: fetched and recorded, or a file of the user's own."""
    if source.local is not None:
        return _own(source, source.local)
    try:
        record = AcquisitionRecord.model_validate_json(
            _record_file(source, folder).read_text(encoding="utf-8")
        )
    except (OSError, ValidationError):
        return None
    path = _record_file(source, folder).with_name(record.file)
    outdated = record.verified and source.checksum.content not in (None, record.sha256)
    return None if outdated or not path.is_file() else AcquiredFile(path, source, record)


def _own(source: Source, file: Path) -> "AcquiredFile":
    """Return a file of the user's own; it may have changed, so its bytes are read each time."""
    if not file.is_file():
        raise RequestError(f"There is no file {file}.", "Check its path in your catalogue.")
    verdict = verify(file, source)
    if verdict.complaint:
        raise LrbenchError(f"{file} is refused: {verdict.complaint}.", "Correct the file or its checksum.")
    record = AcquisitionRecord(
        file=file.name, address=str(file), sha256=verdict.sha256, verified=verdict.verified
    )
    return AcquiredFile(file, source, record)


def _part(source: Source, folder: Path) -> Path:
    """Where a file grows; what has arrived of it is gone on from."""
    return folder / f"{source.stem}.part"


def _record_file(source: Source, folder: Path) -> Path:
    return folder / f"{source.stem}.source.json"


def _nowhere(name: str, failures: Sequence[str]) -> LrbenchError:
    tried = "".join(f"\n  {failure}" for failure in failures) or " no place is known"
    return LrbenchError(
        f"{name} could not be fetched. Tried:{tried}",
        f"If you can get the file in another way, hand it over: lrbench fetch {name} --from FILE",
    )


class AcquisitionRecord(FrozenConfig):
    """The content of ``NAME.source.json``."""

    file: str
    """The file's name beside the record."""

    address: str
    """Where it came from."""

    sha256: str
    """SHA-256 of its content."""

    verified: bool
    """Whether a known checksum matched."""

    notes: tuple[str, ...] = ()
    """What a reader of results must know."""


@dataclass(frozen=True)
class AcquiredFile:
    """A raw file that is ready to be read."""

    path: Path
    source: Source
    record: AcquisitionRecord

    @property
    def sha256(self) -> str:
        """SHA-256 of its content."""
        return self.record.sha256


class _Interruptible:
    """Passes everything on, and stops the threads of the pool when the person does."""

    def __init__(self, listener: Listener, stop: Event) -> None:
        self._listener = listener
        self._stop = stop

    def say(self, message: str) -> None:
        self._listener.say(message)

    def advance(self, name: str, done: int, total: int | None) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
        self._listener.advance(name, done, total)

    def pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise KeyboardInterrupt
