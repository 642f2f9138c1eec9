"""A server of one file on this machine, with the faults of those far away."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Faults:
    """What goes wrong, and what was asked for."""

    content: bytes
    ranges: bool = True  # whether it can go on in the middle
    cut: list[int] = field(default_factory=list)  # bytes after which each answer breaks off
    status: list[int] = field(default_factory=list)  # errors to give first
    kind: str = "application/zip"
    tag: str = '"one"'
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    faults: Faults

    def do_GET(self) -> None:
        faults = self.faults
        asked = self.headers["Range"]
        faults.asked.append(asked)
        if faults.status:
            self.send_error(faults.status.pop(0))
            return
        start = 0
        same = self.headers["If-Range"] in (None, faults.tag)
        if asked and faults.ranges and same:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])  # type: ignore[index]
        if start and start >= len(faults.content):
            self.send_error(416)
            return
        body = faults.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", faults.kind)
        self.send_header("ETag", faults.tag)
        self.end_headers()
        self.wfile.write(body[: faults.cut.pop(0)] if faults.cut else body)

    def log_message(self, *args: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def serving(content: bytes, **faults: object) -> Iterator[Faults]:
    """Serve on a free port of this machine."""
    state = Faults(content, **faults)  # type: ignore[arg-type]
    handler = type("Own", (Handler,), {"faults": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_port}/set.zip"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
