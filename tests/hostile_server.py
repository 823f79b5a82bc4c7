# ruff: noqa: E501 (one behaviour a line)
"""Servers that misbehave: each answers a connection as raw bytes on a socket.

``BEHAVIOURS`` is the table: what a server does, and what a download must make of it.
"""

import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

CONTENT = b"user,item,time\n" + b"".join(b"u%d,i%d,%d\n" % (n % 7, n % 5, n) for n in range(200))


@dataclass(frozen=True)
class Behaviour:
    """One way of answering, and the words that the person is told; empty: the file arrives."""

    name: str
    answer: Callable[["Exchange"], None]
    told: str = ""


class Exchange:
    """One connection: what was asked, and the socket to answer on."""

    def __init__(self, connection: socket.socket, request: bytes, closing: Event, base: str) -> None:
        self.connection = connection
        self.request = request
        self.closing = closing
        self.base = base

    def send(self, *parts: bytes) -> None:
        self.connection.sendall(b"".join(parts))

    def reply(self, status: str, *headers: str, body: bytes = b"", length: bool = True) -> None:
        lines = [f"HTTP/1.1 {status}", *headers, *([f"Content-Length: {len(body)}"] if length else [])]
        self.send("\r\n".join(lines).encode("utf-8") + b"\r\n\r\n", body)

    def keep_sending(self, piece: bytes, pause: float = 0.0) -> None:
        """Send the same again and again until the other side goes."""
        while not self.closing.wait(pause):
            self.send(piece)


@contextmanager
def misbehaving(answer: Callable[[Exchange], None]) -> Iterator[str]:
    """Serve ``answer`` on every connection; yield the address."""
    listening = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    closing = Event()

    def attend(connection: socket.socket) -> None:
        with connection:
            try:
                request = b""
                while b"\r\n\r\n" not in request and (piece := connection.recv(65536)):
                    request += piece
                answer(Exchange(connection, request, closing, base))
            except OSError:
                pass  # the client went

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            Thread(target=attend, args=(connection,), daemon=True).start()

    Thread(target=serve, daemon=True).start()
    try:
        yield f"{base}/data.csv"
    finally:
        closing.set()
        listening.close()


def _reply(
    status: str, *headers: str, body: bytes = CONTENT, length: bool = True
) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.reply(status, *headers, body=body, length=length)


def _raw(content: bytes) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.send(content)


def _chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def _redirect(target: str, status: int = 302) -> Callable[[Exchange], None]:
    return _reply(f"{status} Found", f"Location: {target}", body=b"")


def _redirect_once(exchange: Exchange) -> None:
    if b"/data.csv " in exchange.request:
        exchange.reply("302 Found", f"Location: {exchange.base}/moved.csv?token=s3cret")
    else:
        exchange.reply("200 OK", body=CONTENT)


def _redirect_to_itself(exchange: Exchange) -> None:
    exchange.reply("302 Found", f"Location: {exchange.base}/data.csv")


def _status(code: int, told: str, *headers: str) -> Behaviour:
    return Behaviour(f"status {code}", _reply(f"{code} Whatever", *headers), told)


GONE = "the connection ended early|the connection broke|the connection ended after"
WEB_PAGE = "a web page came instead of the file"

ANSWERS = [
    Behaviour("right", _reply("200 OK")),
    Behaviour("right, chunked", _raw(_chunked(CONTENT[:100], CONTENT[100:]))),
    Behaviour("right, until the connection closes", _reply("200 OK", length=False)),
    Behaviour("right, HTTP/1.0", _raw(b"HTTP/1.0 200 OK\r\n\r\n" + CONTENT)),
    Behaviour("right, no reason phrase", _raw(b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT)),
    Behaviour("right, control characters in the reason", _reply("200 \x1b]0;pwned\x07OK")),
    Behaviour("right, a strange type", _reply("200 OK", "Content-Type: application/json")),
    Behaviour("right, after a redirect", _redirect_once),
    Behaviour("right, early hints first", _raw(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT)),
    Behaviour("empty", _reply("200 OK", body=b""), "refused"),
    Behaviour("other content", _reply("200 OK", body=b"user,item\na,b\n"), "refused: its content has SHA-256"),
    Behaviour("gzip although plain was asked for", _reply("200 OK", "Content-Encoding: gzip", body=zlib.compress(CONTENT)), "refused"),
    Behaviour("web page", _reply("200 OK", "Content-Type: text/html", body=b"<html>"), WEB_PAGE),
    Behaviour("web page, upper case", _reply("200 OK", "Content-Type: TEXT/HTML; charset=x", body=b"<html>"), WEB_PAGE),
    Behaviour("web page, XHTML", _reply("200 OK", "Content-Type: application/xhtml+xml", body=b"<html>"), WEB_PAGE),
    Behaviour("JSON of an error", _reply("200 OK", "Content-Type: application/json", body=b'{"error": 1}'), "refused"),
    *(_status(code, f"{code} ") for code in (400, 401, 403, 404, 405, 410, 418, 451)),
    *(_status(code, f"{code} .*tried 5 times") for code in (408, 425, 429, 500, 502, 503, 504)),
    *(_status(code, f"{code} .*came instead of the file") for code in (201, 202, 203, 205, 226, 300)),
    Behaviour("status 204", _reply("204 No Content", body=b"", length=False), "204 No Content came instead"),
    Behaviour("status 304", _reply("304 Not Modified", body=b"", length=False), "304 Not Modified came instead"),
    _status(305, "305 .*came instead"),
    _status(501, "501 "),
    _status(599, "status 599"),
    _status(999, "status 999"),
    Behaviour("redirect without a place", _reply("302 Found"), "302 Found came instead"),
    Behaviour("redirect to itself", _redirect_to_itself, "more than 10 redirects"),
    Behaviour("redirect to a file", _redirect("file:///etc/passwd"), "which is no http or https address"),
    Behaviour("redirect to ftp", _redirect("ftp://127.0.0.1/x"), "which is no http or https address"),
    Behaviour("redirect to data", _redirect("data:text/plain,x"), "is not valid"),
    Behaviour("redirect to a host of 64 letters", _redirect(f"http://{'a' * 64}.invalid/x"), "not valid|no connection|[Ii]nvalid|IDNA"),
    Behaviour("redirect to a strange host", _redirect("http://[::1/x"), GONE),
    Behaviour("redirect to a strange port", _redirect("http://127.0.0.1:65537/x"), "[Ii]nvalid|no connection|range"),
    Behaviour("redirect to a host that is no text", _redirect("http://\u00b2\u00b2.invalid/"), f"{GONE}|no connection|not valid"),
    Behaviour("part of the file, unasked", _reply("206 Partial Content", f"Content-Range: bytes 0-9/{len(CONTENT)}", body=CONTENT[:10]), "a part of the file came"),
    Behaviour("part from the middle, unasked", _reply("206 Partial Content", "Content-Range: bytes 5-9/10", body=CONTENT[5:10]), "a part of the file came"),
    Behaviour("part without a range", _reply("206 Partial Content"), "a part of the file came"),
    Behaviour("part of a strange length", _reply("206 Partial Content", "Content-Range: bytes 0-9/\u00b2"), "a part of the file came"),
    Behaviour("range not satisfiable, unasked", _reply("416 Range Not Satisfiable", "Content-Range: bytes */9"), "416"),
    Behaviour("wait in strange digits", _reply("503 Busy", "Retry-After: \u00b2"), "503 .*tried 5 times"),
    Behaviour("wait of 400 digits", _reply("503 Busy", f"Retry-After: {'9' * 400}"), "asks to wait longer"),
    Behaviour("wait until the year 9999", _reply("429 Busy", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"), "asks to wait longer"),
    Behaviour("wait below zero", _reply("503 Busy", "Retry-After: -5"), "503 .*tried 5 times"),
    Behaviour("wait of junk", _reply("503 Busy", "Retry-After: soon"), "503 .*tried 5 times"),
    Behaviour("no answer, closed", lambda _: None, GONE),
    Behaviour("half a header", _raw(b"HTTP/1.1 200 OK\r\nContent-Le"), GONE),
    Behaviour("shorter than announced", _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nuser"), GONE),
    Behaviour("longer than announced", _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + CONTENT), "refused"),
    Behaviour("two lengths", _reply("200 OK", "Content-Length: 5"), GONE),
    Behaviour("length below zero", _raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), GONE),
    Behaviour("length of letters", _raw(b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n"), GONE),
    Behaviour("length of a petabyte", _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\nuser"), "it has more than"),
    Behaviour("length of 30 digits", _raw(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n"), f"{GONE}|it has more than"),
    Behaviour("chunk without a size", _raw(_chunked(CONTENT[:50], end=b"xyz\r\n")), GONE),
    Behaviour("chunks without an end", _raw(_chunked(CONTENT[:50], end=b"")), GONE),
    Behaviour("chunk of an absurd size", _raw(_chunked(end=b"fffffffffffffffff\r\nuser")), GONE),
    Behaviour("greeting of SSH", _raw(b"SSH-2.0-OpenSSH_9.6\r\n"), GONE),
    Behaviour("HTTP/0.9", _raw(CONTENT), GONE),
    Behaviour("bytes of nothing", _raw(bytes(range(256)) * 4), GONE),
    Behaviour("header of five megabytes", _raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5_000_000 + b"\r\n\r\n"), GONE),
    Behaviour("thousand headers", _raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"Content-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT)),
    Behaviour("NUL in a header", _raw(b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"), GONE),
    Behaviour("TLS where none was asked for", _raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), GONE),
]  # fmt: skip
"""Answers that end: each is over within milliseconds but for pauses."""


def _drip_header(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\n")
    exchange.keep_sending(b"X-Drip: 1\r\n", pause=0.05)


def _drip_body(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    exchange.keep_sending(b"x", pause=0.05)


def _endless_body(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
    exchange.keep_sending(b"x" * 1_000_000)


def _endless_chunks(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    exchange.keep_sending(b"%x\r\n%s\r\n" % (1_000_000, b"x" * 1_000_000))


def _mute(exchange: Exchange) -> None:
    exchange.closing.wait(600)


def _mute_after_a_part(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nuser")
    exchange.closing.wait(600)


def _endless_early_hints(exchange: Exchange) -> None:
    exchange.keep_sending(b"HTTP/1.1 103 Early Hints\r\n\r\n", pause=0.01)


STALLS = [
    Behaviour("header in drips", _drip_header, "no answer within"),
    Behaviour("no word", _mute, "no answer within"),
    Behaviour("endless early hints", _endless_early_hints, "no answer within"),
    Behaviour("body in drips", _drip_body, "it sends less than"),
    Behaviour("silence after a part", _mute_after_a_part, "nothing came"),
    Behaviour("endless body", _endless_body, "it has more than"),
    Behaviour("endless chunks", _endless_chunks, "it has more than"),
]
"""Answers that never end by themselves."""
