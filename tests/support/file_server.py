"""A real HTTP server of a folder that gives byte ranges, and that may fail for a while."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Failures:
    """How many of the next range requests are answered by a broken connection, and how many were asked in all."""

    left: int = 0
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_fails(self) -> bool:
        with self.lock:
            self.asked += 1
            self.left -= 1
            return self.left >= 0


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *words: Any, failures: Failures, ranges: bool, **options: Any) -> None:
        self._failures, self._ranges = failures, ranges
        super().__init__(*words, **options)

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        path = Path(self.translate_path(self.path))
        if not (wanted and self._ranges and path.is_file()):
            return super().do_GET()
        if self._failures.next_fails():
            self.close_connection = True
            return None
        content = path.read_bytes()
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        piece = content[int(first) : int(last) + 1 if last else None]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(piece) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(piece)))
        self.end_headers()
        self.wfile.write(piece)
        return None

    def end_headers(self) -> None:
        if self._ranges:
            self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving_files(folder: Path, ranges: bool = True) -> Iterator[tuple[str, Failures]]:
    """The address of the server, while it serves, and its failures, to be set."""
    failures = Failures()
    handler = partial(_Handler, directory=str(folder), failures=failures, ranges=ranges)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", failures
    finally:
        server.shutdown()
        server.server_close()
