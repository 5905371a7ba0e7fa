"""A real HTTP server on a free port that a function plays: (path, body, headers) → (status, reply).

A reply is sent as JSON; one of bytes as it is, and `Torn` is cut off in the middle.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Play = Callable[[str, dict[str, Any], Mapping[str, str]], tuple[int, Any]]


class Torn(NamedTuple):
    """Bytes after which the connection ends, though more were announced."""

    data: bytes


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """The address of the server, while it serves."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            status, reply = play(self.path, body, self.headers)
            is_torn = isinstance(reply, Torn)
            data = reply.data if is_torn else reply if isinstance(reply, bytes) else json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data) + is_torn))
            self.close_connection = is_torn
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # clients of these tests are killed in the middle of an answer

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
