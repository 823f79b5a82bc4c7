"""A small HTTP server with byte ranges, and with the faults that real ones have."""

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import sleep

from lrbench.data.listener import SilentListener


@dataclass
class Served:
    """One file and how the server misbehaves about it."""

    content: bytes
    etag: str = '"one"'
    modified: str = ""
    ranges: bool = True
    heeds_if_range: bool = True
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # answered first, in order
    cuts: list[int] = field(default_factory=list)  # bytes after which a connection breaks, in order
    kind: str = "application/octet-stream"
    pace: float = 0.0  # seconds before each 64 KiB
    longest: int | None = None  # bytes of a range that are sent at most, as servers may choose


@dataclass
class Request:
    path: str
    headers: dict[str, str]


class FileServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, Served] = {}
        self.requests: list[Request] = []
        self.scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def url(self, name: str = "") -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, request, client_address) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.requests.append(Request(self.path, dict(self.headers)))
        served = self.server.files.get(self.path.lstrip("/"))
        if served is None:
            return self.send_error(404)
        if served.refusals:
            return self._refuse(*served.refusals.pop(0))
        start = self._start(served)
        if start >= len(served.content) and start:
            return self._refuse(416, {"Content-Range": f"bytes */{len(served.content)}"})
        body = served.content[start:]
        if start and served.longest:
            body = body[: served.longest]
        self.send_response(206 if start else 200)
        if start:
            last, total = start + len(body) - 1, len(served.content)
            self.send_header("Content-Range", f"bytes {start}-{last}/{total}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", served.kind)
        if served.etag:
            self.send_header("ETag", served.etag)
        if served.modified:
            self.send_header("Last-Modified", served.modified)
        self.end_headers()
        body = body[: served.cuts.pop(0)] if served.cuts else body
        for begin in range(0, len(body), 1 << 16):
            sleep(served.pace)
            self.wfile.write(body[begin : begin + (1 << 16)])
        return None

    def _start(self, served: Served) -> int:
        span = self.headers.get("Range")
        if span is None or not served.ranges:
            return 0
        condition = self.headers.get("If-Range")
        if served.heeds_if_range and condition not in (None, served.etag, served.modified):
            return 0
        return int(span.removeprefix("bytes=").split("-")[0])

    def _refuse(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *arguments) -> None:
        """Keep the tests' output clean."""


@contextmanager
def running(server: FileServer) -> Iterator[FileServer]:
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def self_signed(folder: Path) -> Path:
    """Make a certificate that nobody vouches for; key and certificate in one file."""
    file = folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=127.0.0.1",
    ]
    subprocess.run([*command, "-keyout", file, "-out", folder / "only.pem"], check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + (folder / "only.pem").read_bytes())
    return file


class Notes(SilentListener):
    """Remembers what a listener is told, and does not wait."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.said: list[str] = []
        self.advanced: list[tuple[str, int, int | None]] = []
        self.pauses: list[float] = []
        self.interrupt_at = interrupt_at

    def say(self, message: str) -> None:
        self.said.append(message)

    def advance(self, name: str, done: int, total: int | None) -> None:
        self.advanced.append((name, done, total))
        if self.interrupt_at is not None and done >= self.interrupt_at:
            raise KeyboardInterrupt

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
