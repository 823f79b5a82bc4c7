"""One request on a thread of its own, so that whoever waits for its answer can stop at any time.

Looking up a name, connecting and waiting for a header happen inside the system and the HTTP library. No
timeout there stops a server that sends one header line per second. A thread therefore makes the request and
hands over what arrives. The caller waits for it in short steps.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import inf
from queue import Empty, Full, Queue
from threading import Event, Thread
from time import monotonic
from typing import TypeVar

import httpx

from lrbench.data.addresses import public_address
from lrbench.data.fetching.destinations import refuse_redirect
from lrbench.data.listener import Listener

__all__ = ["ANSWER_WITHIN", "ServerAnswer", "UnansweredError", "request"]

ANSWER_WITHIN = 30.0
"""Seconds until the header of the answer must be complete, redirects included."""

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_STEP = 0.2  # seconds between checks for an interrupt
_AHEAD = 4  # pieces that may wait to be stored
_MOST_REDIRECTS = 10

ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class ServerAnswer:
    """The header of an answer, and its body as it arrives."""

    status: int
    headers: httpx.Headers
    pieces: Iterator[bytes]


class UnansweredError(Exception):
    """The header of the answer did not come in time."""


@contextmanager
def request(url: str, headers: dict[str, str], listener: Listener) -> Iterator[ServerAnswer]:
    """Ask for ``url`` and yield the answer; the request ends with the block.

    Redirects are followed as :func:`refuse_redirect` allows. Proxies are taken from the environment.

    Args:
        url: ``http`` or ``https``.
        headers: of the request.
        listener: called while nothing arrives; it may raise.

    Raises:
        UnansweredError: no complete header within ``ANSWER_WITHIN``.
        httpx.HTTPError, httpx.InvalidURL, UnicodeError: what the request raised.
    """
    with _client() as client:
        receiver = _Receiver(client, url, headers)
        Thread(target=receiver.receive, daemon=True).start()
        try:
            response = _take(receiver.header, listener, until=monotonic() + ANSWER_WITHIN)
            yield ServerAnswer(response.status_code, response.headers, _pieces(receiver, listener))
        finally:
            receiver.abandoned.set()


def _client() -> httpx.Client:
    trusted = _certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    try:
        return httpx.Client(timeout=_TIMEOUT, verify=trusted)
    except (ValueError, ImportError) as error:  # an unknown scheme, or SOCKS without its package
        raise httpx.ProxyError(f"the proxy of the environment cannot be used: {error}") from error


@cache
def _certificates(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Read the certificates to trust: once, because it takes longer than a short request.

    Args:
        file: ``SSL_CERT_FILE`` of the environment, which httpx reads.
        folder: ``SSL_CERT_DIR`` of the environment, which httpx reads, too.
    """
    return httpx.create_ssl_context()


def _pieces(receiver: "_Receiver", listener: Listener) -> Iterator[bytes]:
    while piece := _take(receiver.body, listener):
        yield piece


def _take(queue: "Queue[ItemT | Exception]", listener: Listener, until: float = inf) -> ItemT:
    """Return the next item of a queue, waiting in short steps; an error in the queue is raised.

    Raises:
        UnansweredError: nothing has come at the time ``until``.
    """
    while True:
        try:
            item = queue.get(timeout=_STEP)
        except Empty:
            listener.idle()
            if monotonic() > until:
                raise UnansweredError from None
            continue
        if isinstance(item, Exception):
            raise item
        return item


class _Receiver:
    """Makes a request and hands over what arrives, until nobody waits for it any more."""

    def __init__(self, client: httpx.Client, url: str, headers: dict[str, str]) -> None:
        self._client = client
        self._url = url
        self._headers = headers
        self.header: Queue[httpx.Response | Exception] = Queue()
        self.body: Queue[bytes | Exception] = Queue(_AHEAD)
        """Pieces of the body; an empty piece is the end."""

        self.abandoned = Event()

    def receive(self) -> None:
        """Make the request. This runs in a thread of its own."""
        try:
            response = _follow(
                self._client, self._client.build_request("GET", self._url, headers=self._headers)
            )
        except Exception as error:  # raised where somebody waits for the answer
            self.header.put(error)
            return
        self.header.put(response)
        try:
            for piece in response.iter_raw():
                if piece and not self._hand_over(piece):
                    return
            self._hand_over(b"")
        except Exception as error:
            self._hand_over(error)

    def _hand_over(self, item: bytes | Exception) -> bool:
        """Wait until there is room for the item; tell whether somebody still wants it."""
        while not self.abandoned.is_set():
            try:
                self.body.put(item, timeout=_STEP)
                return True
            except Full:
                continue
        return False


def _follow(client: httpx.Client, asked: httpx.Request) -> httpx.Response:
    """Send a request and follow its redirects."""
    for _ in range(_MOST_REDIRECTS + 1):
        response = client.send(asked, stream=True)
        following = response.next_request
        if following is None:
            return response
        response.close()
        refuse_redirect(asked.url, following.url)
        asked = following
    raise httpx.TooManyRedirects(
        f"more than {_MOST_REDIRECTS} redirects, the last to {public_address(str(asked.url))}"
    )
