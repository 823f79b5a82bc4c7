"""One address to one file: resumed by byte range, retried with growing pauses, never spliced.

What has arrived lies in ``NAME.part``; ``NAME.part.json`` says from which address and which version of the
file (its ETag or modification date). A later call asks for the rest of that very version (``Range`` with
``If-Range``, RFC 9110 §13.1.5 and §14); a server that answers with the whole file, or with another version,
starts it anew. Proxies are taken from the environment.
"""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from lrbench.data.listener import Listener

__all__ = ["TransferError", "download", "state_file"]

ATTEMPTS = 5
"""Tries without a single new byte before an address is given up."""

LONGEST_PAUSE = 60.0
"""Seconds; a server that asks for more is not waited for any longer than this."""

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


def download(url: str, part: Path, name: str, listener: "Listener") -> None:
    """Fetch ``url`` into ``part``, going on where an earlier call was interrupted.

    Args:
        url: ``http`` or ``https``.
        part: the file to fill; it is complete when this returns, and resumable whenever it does not.
        name: what the listener calls the file.
        listener: told of every chunk.

    Raises:
        TransferError: the address does not give the file, or gave up too often.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    with httpx.Client(follow_redirects=True, timeout=_TIMEOUT) as client:
        while True:
            before = _size(part)
            try:
                _transfer(client, url, part, name, listener)
                return
            except _PassingError as failure:
                failures = 1 if _size(part) > before else failures + 1
                if failures == ATTEMPTS:
                    raise TransferError(f"{failure} (tried {ATTEMPTS} times)") from failure
                wait = failure.wait if failure.wait is not None else 2.0 ** (failures - 1)
                listener.say(f"{name}: {failure}; trying again in {min(wait, LONGEST_PAUSE):.0f} s.")
                listener.pause(min(wait, LONGEST_PAUSE))


def state_file(part: Path) -> Path:
    """Return the file that says which version of which address a part belongs to."""
    return part.with_name(f"{part.name}.json")


def _transfer(client: httpx.Client, url: str, part: Path, name: str, listener: "Listener") -> None:
    """Make one request and store what comes."""
    held, version = _held(part, url)
    headers = {"Accept-Encoding": "identity"}
    if version:
        headers |= {"Range": f"bytes={held}-", "If-Range": version}
    with _as_failures(), client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and version:
            if response.headers.get("Content-Range") == f"bytes */{held}":
                return  # all of it was here already
            part.unlink()
            raise _PassingError("the file became shorter", wait=0.0)
        _refuse_errors(response)
        body = _body(response, held, version)
        if body is None:
            part.unlink()
            raise _PassingError("the file changed", wait=0.0)
        if body.start == 0:
            state = {"url": url, "version": _version(response)}
            part.unlink(missing_ok=True)
            state_file(part).write_text(json.dumps(state), encoding="utf-8")
        _store(response, part, body, name, listener)


def _store(response: httpx.Response, part: Path, body: "_Body", name: str, listener: "Listener") -> None:
    done = body.start
    with part.open("ab") as file:
        listener.advance(name, done, body.total)
        for chunk in response.iter_raw():
            file.write(chunk)
            done += len(chunk)
            listener.advance(name, done, body.total)
    if body.total is not None and done != body.total:
        raise _PassingError(f"the connection ended after {done:,} of {body.total:,} bytes")


def _body(response: httpx.Response, held: int, version: str) -> "_Body | None":
    """Return what the response carries, or none if it is the rest of another version of the file."""
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        length = response.headers.get("Content-Length")
        return _Body(0, int(length) if length else None)
    span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    goes_on = span.startswith(f"{held}-") and _version(response) in ("", version)
    return _Body(held, int(total) if total.isdigit() else None) if goes_on else None


def _held(part: Path, url: str) -> tuple[int, str]:
    """Return how many bytes are here and of which version; (0, "") where the download must start anew."""
    try:
        state = json.loads(state_file(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0, ""
    size = _size(part)
    resumable = size > 0 and state["url"] == url and state["version"]
    return (size, state["version"]) if resumable else (0, "")


def _version(response: httpx.Response) -> str:
    """Return what identifies the bytes of a response: a strong ETag or else the modification date."""
    etag: str = response.headers.get("ETag", "")
    modified: str = response.headers.get("Last-Modified", "")
    return etag if etag and not etag.startswith("W/") else modified


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _refuse_errors(response: httpx.Response) -> None:
    status = f"{response.status_code} {response.reason_phrase}".strip()
    if response.status_code in _PASSING:
        raise _PassingError(status, _retry_after(response))
    if response.is_error:
        raise TransferError(status)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise TransferError("a web page came instead of the file")


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that the server asks to wait: given as such, or as a date."""
    value = response.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


@contextmanager
def _as_failures() -> Iterator[None]:
    """Turn what httpx raises into passing and lasting failures."""
    try:
        yield
    except httpx.ConnectTimeout as error:
        raise TransferError("no connection within 10 s") from error
    except httpx.ConnectError as error:
        raise TransferError(_connection_failure(error)) from error
    except httpx.ProxyError as error:
        raise TransferError(f"the proxy refused: {error}") from error
    except httpx.TimeoutException as error:
        raise _PassingError("no answer within 30 s") from error
    except httpx.NetworkError as error:
        raise _PassingError(f"the connection broke ({type(error).__name__})") from error
    except httpx.RemoteProtocolError as error:
        raise _PassingError("the connection ended early") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TransferError(str(error)) from error


def _connection_failure(error: BaseException) -> str:
    """Say why there is no connection; a bad certificate lies at the end of the chain of causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its TLS certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or cause}"
        cause = cause.__cause__ or cause.__context__
    return f"no connection: {error}"


class TransferError(Exception):
    """An address did not give the file; the message says why."""


class _PassingError(Exception):
    """A failure that may be gone at the next attempt."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        self.wait = wait
        super().__init__(reason)


@dataclass(frozen=True)
class _Body:
    """What a response carries: from which byte, and how long the whole file is."""

    start: int
    total: int | None
