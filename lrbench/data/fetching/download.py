"""Downloads one file: resumed by byte range, retried with growing pauses, never mixed from two versions.

What has arrived is in ``NAME.part``. ``NAME.part.json`` says from which address and which version of the file
(its ETag or modification date) it came. A later call asks for the rest of exactly that version (``Range``
with ``If-Range``, RFC 9110 §13.1.5 and §14). If the server answers with the whole file or with another
version, the download starts again.
"""

import hashlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import count
from pathlib import Path

import httpx
from pydantic import BaseModel, ValidationError

from lrbench.data.fetching.arrival import ANSWER_WITHIN, ServerAnswer, UnansweredError, request
from lrbench.data.fetching.bounds import Bounds
from lrbench.data.fetching.destinations import RedirectError
from lrbench.data.fetching.failures import PassingError, TransferError
from lrbench.data.listener import Listener
from lrbench.text import shortened

__all__ = ["ATTEMPTS", "LONGEST_PAUSE", "download", "remove_part"]

ATTEMPTS = 5
"""Attempts without a single new byte before an address is given up."""

MOST_ATTEMPTS = 100
"""Attempts in all, even if each brings new bytes."""

LONGEST_PAUSE = 60.0
"""Seconds. An address that asks for a longer pause is given up."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_WEB_PAGES = ("text/html", "application/xhtml+xml")


def download(url: str, part: Path, name: str, listener: Listener, size: int | None = None) -> None:
    """Fetch ``url`` into ``part``, continuing an earlier call that was interrupted.

    Args:
        url: ``http`` or ``https``.
        part: the file to fill. It is complete when this returns, and resumable when this raises.
        name: the file's name for the listener.
        listener: gets the progress after every piece; it may raise.
        size: about how many bytes the file has; ``None``: not known.

    Raises:
        TransferError: the address does not give the file, or failed too often.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    bounds = Bounds(part, size)
    failures = 0
    for attempt in count(1):
        before = _size(part)
        try:
            _transfer(url, part, name, listener, bounds)
            return
        except TransferError as failure:
            if failure.useless:
                remove_part(part)
            raise
        except PassingError as failure:
            failures = 1 if _size(part) > before else failures + 1
            if failures == ATTEMPTS or attempt == MOST_ATTEMPTS:
                raise TransferError(f"{failure} (tried {attempt} times)") from failure
            wait = failure.wait if failure.wait is not None else 2.0 ** (failures - 1)
            if wait > LONGEST_PAUSE:
                raise TransferError(f"{failure}; it asks to wait longer than a minute") from failure
            listener.say(f"{name}: {failure}; trying again in {wait:.0f} s.")
            listener.pause(wait)
            bounds.excuse(failure.wait or 0.0)


def remove_part(part: Path) -> None:
    """Remove what has arrived of a file, and the record of its version."""
    part.unlink(missing_ok=True)
    _state_file(part).unlink(missing_ok=True)


def _state_file(part: Path) -> Path:
    """Return the file that records the address and the version of a part."""
    return part.with_name(f"{part.name}.json")


def _transfer(url: str, part: Path, name: str, listener: Listener, bounds: Bounds) -> None:
    """Make one request and store what arrives.

    Raises:
        PassingError: the next attempt may succeed.
        TransferError: it cannot.
    """
    held, version = _held(part, url)
    headers = {"Accept-Encoding": "identity"}
    if version:
        headers |= {"Range": f"bytes={held}-", "If-Range": version}
    with _as_failures(), request(url, headers, listener) as answer:
        if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and version:
            if answer.headers.get("Content-Range") == f"bytes */{held}":
                return  # all of it is here already
            remove_part(part)
            raise PassingError("the file became shorter", wait=0.0)
        _refuse_errors(answer, asked_for_a_part=bool(version))
        body = _body(answer, held, version)
        if body is None:
            remove_part(part)
            raise PassingError("the file changed", wait=0.0)
        bounds.check_announced(body.total, body.start)
        if body.start == 0:
            remove_part(part)
            state = _State(address=_hashed(url), version=_version(answer))
            _state_file(part).write_text(state.model_dump_json(), encoding="utf-8")
        _store(answer, part, body, name, listener, bounds)


def _store(
    answer: ServerAnswer, part: Path, body: "_Body", name: str, listener: Listener, bounds: Bounds
) -> None:
    done = body.start
    with part.open("ab") as file:
        listener.advance(name, done, body.total)
        for piece in answer.pieces:
            file.write(piece)
            done += len(piece)
            bounds.check_arrived(done)
            listener.advance(name, done, body.total)
    if body.total is not None and done > body.total:
        raise TransferError(f"more bytes came than the {body.total:,} that were announced", useless=True)
    if body.total is not None and done < body.total:
        raise PassingError(f"the connection ended after {done:,} of {body.total:,} bytes")


def _body(answer: ServerAnswer, held: int, version: str) -> "_Body | None":
    """Return what the answer holds; ``None`` if it is the rest of another version of the file."""
    if answer.status == HTTPStatus.OK:
        return _Body(0, _number(answer.headers.get("Content-Length", "")))
    span, _, total = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    goes_on = span.startswith(f"{held}-") and _version(answer) in ("", version)
    return _Body(held, _number(total)) if goes_on else None


def _number(text: str) -> int | None:
    """Return a length that a server stated; ``None`` if it is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _held(part: Path, url: str) -> tuple[int, str]:
    """Return how many bytes are here and of which version; (0, "") if the download must start again."""
    try:
        state = _State.model_validate_json(_state_file(part).read_bytes())
    except (OSError, ValidationError):
        return 0, ""
    size = _size(part)
    resumable = size > 0 and state.address == _hashed(url) and state.version
    return (size, state.version) if resumable else (0, "")


def _version(answer: ServerAnswer) -> str:
    """Return what identifies the bytes of an answer: a strong ETag, or else the modification date."""
    etag: str = answer.headers.get("ETag", "")
    modified: str = answer.headers.get("Last-Modified", "")
    return etag if etag and not etag.startswith("W/") else modified


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _hashed(url: str) -> str:
    """Return a hash that identifies an address, since the address itself may hold a password."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


def _refuse_errors(answer: ServerAnswer, asked_for_a_part: bool) -> None:
    """Refuse every answer but a whole file, or the part that was asked for.

    Raises:
        PassingError: the server asks to try again.
        TransferError: any other answer.
    """
    status = _status(answer.status)
    if answer.status in _PASSING:
        raise PassingError(status, _retry_after(answer))
    if answer.status == HTTPStatus.PARTIAL_CONTENT and not asked_for_a_part:
        raise TransferError("a part of the file came, although all of it was asked for")
    if answer.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise TransferError(status if answer.status >= 400 else f"{status} came instead of the file")
    if answer.headers.get("Content-Type", "").strip().lower().startswith(_WEB_PAGES):
        raise TransferError("a web page came instead of the file")


def _status(code: int) -> str:
    """Return a status with its usual meaning. What the server writes after it is not shown."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"status {code}"


def _retry_after(answer: ServerAnswer) -> float | None:
    """Return the seconds that the server asks to wait (a number or a date); ``None``: it does not say."""
    value = answer.headers.get("Retry-After", "")
    if value.isascii() and value.isdecimal():
        return float(value[:10])
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


@contextmanager
def _as_failures() -> Iterator[None]:
    """Turn what a request raises into ``PassingError`` or ``TransferError``."""
    try:
        yield
    except UnansweredError as error:
        raise PassingError(f"no answer within {ANSWER_WITHIN:.0f} s") from error
    except RedirectError as error:
        raise TransferError(str(error)) from error
    except httpx.ConnectTimeout as error:
        raise TransferError("no connection within 10 s") from error
    except httpx.ConnectError as error:
        raise TransferError(_connection_failure(error)) from error
    except httpx.ProxyError as error:
        raise TransferError(f"the proxy refused: {_told(error)}") from error
    except httpx.TimeoutException as error:
        raise PassingError("nothing came for 30 s") from error
    except httpx.NetworkError as error:
        raise PassingError(f"the connection broke ({type(error).__name__})") from error
    except httpx.RemoteProtocolError as error:
        raise PassingError("the connection ended early, or the answer is no HTTP") from error
    except UnicodeError as error:
        raise TransferError("the name of the host is not valid") from error
    except httpx.InvalidURL as error:
        raise TransferError("the address, or one to which it redirects, is not valid") from error
    except httpx.HTTPError as error:
        raise TransferError(_told(error)) from error


def _told(error: BaseException) -> str:
    """Return an error's message, short and without control characters, since a server may have written it."""
    return shortened(str(error), 200) or type(error).__name__


def _connection_failure(error: BaseException) -> str:
    """Say why there is no connection; a bad certificate is at the end of the chain of causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its TLS certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or cause}"
        cause = cause.__cause__ or cause.__context__
    return f"no connection: {_told(error)}"


class _State(BaseModel):
    """The content of ``NAME.part.json``."""

    address: str
    """SHA-256 of the address."""

    version: str
    """What identifies the bytes there; empty if the server gives nothing."""


@dataclass(frozen=True)
class _Body:
    """What an answer holds: the first byte, and the length of the whole file if it is known."""

    start: int
    total: int | None
