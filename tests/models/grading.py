"""A small reward server of tests, over a real socket: its score of an answer is the number of its characters."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, str]
"""Status and body."""


@dataclass
class Grader:
    """What the server does, and what it was asked."""

    states: str = '{"name": "length", "version": 1}'
    """Answer to GET."""
    delay: Callable[[list[str]], float] = lambda answers: 0.0
    """Answers of a request → seconds until it is answered."""
    failures: list[Reply] = field(default_factory=list)
    """Responses to the next POST requests, the first one first, in place of scores."""
    scores: Callable[[list[str]], Any] = lambda answers: [len(answer) for answer in answers]
    posts: list[Mapping[str, Any]] = field(default_factory=list)
    """Bodies of all POST requests."""
    tokens: list[str | None] = field(default_factory=list)
    at_once: int = 0
    """Most requests that were being answered at one time."""
    url: str = ""
    _active: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: Mapping[str, Any]) -> Reply:
        """The response to a POST request."""
        with self._lock:
            self.posts.append(body)
            self._active += 1
            self.at_once = max(self.at_once, self._active)
            failure = self.failures.pop(0) if self.failures else None
        answers = [text["answer"] for text in body["texts"]]
        time.sleep(self.delay(answers))
        with self._lock:
            self._active -= 1
        return failure or (200, json.dumps({"scores": self.scores(answers)}))


@contextmanager
def grading(grader: Grader | None = None) -> Iterator[Grader]:
    """The server while the block runs."""
    shown = grader or Grader()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if shown.states:
                self._send(200, shown.states)
            else:
                self._send(404, "")

        def do_POST(self) -> None:
            shown.tokens.append(self.headers["authorization"])
            self._send(*shown.answer(json.loads(self.rfile.read(int(self.headers["content-length"])))))

        def _send(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        shown.url = f"http://127.0.0.1:{server.server_address[1]}/score"
        try:
            yield shown
        finally:
            server.shutdown()
            thread.join()
