"""A small vLLM server in a thread: its HTTP API, and real answers of a small base with adapters in peft's format."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch

from models import peft_reading
from models.adapters import AdapterSettings
from models.decoding import DecodingLoop, DecodingRequest, decode, seeded_uniforms
from models.policy import load_model
from models.shared_base import AdapterNetwork, SharedBase
from models.vllm_client import PROBABILITIES

VERSION = "0.32.0"


class FakeVLLM:
    """What the server has loaded and was asked."""

    def __init__(self, base: Path, stale: bool = False, key: str | None = None) -> None:
        """No adapter yet.

        Args:
            base: folder of the base.
            stale: every adapter computes what the first one did.
            key: what a request for anything below `/v1` has to have.
        """
        model, tokenizer = load_model(base, torch.float32)
        self._base, self._folder, self._stale = SharedBase(model, tokenizer, "0" * 16), base, stale
        self._adapters: dict[str, AdapterNetwork] = {}
        self._kept: list[AdapterNetwork] = []
        self._lock, self._key = threading.Lock(), key
        self.asked: list[tuple[str, Any]] = []
        """Path and body of each request, in their order."""
        self.keys: list[str | None] = []
        """The header `Authorization` of each request."""
        self.broken: dict[str, tuple[int, str]] = {}
        """Path → status and text that it answers from now on."""

    @property
    def adapters(self) -> list[str]:
        """The names of the adapters that it has."""
        return sorted(self._adapters)

    def bodies(self, path: str) -> list[Any]:
        """The bodies of all requests for a path."""
        return [body for asked, body in self.asked if asked == path]

    def answer(self, path: str, body: Any, authorization: str | None) -> tuple[int, Any]:
        """Status and JSON, or text, of the answer to a request."""
        with self._lock:
            self.keys.append(authorization)
            if self._key and path.startswith("/v1/") and authorization != f"Bearer {self._key}":
                return 401, {"error": "Unauthorized"}
            self.asked.append((path, body))
            if path in self.broken:
                return self.broken[path]
            match path:
                case "/health":
                    return 200, ""
                case "/version":
                    return 200, {"version": VERSION}
                case "/v1/models":
                    return 200, {"data": [{"id": name} for name in ("base", *self._adapters)]}
                case "/v1/load_lora_adapter":
                    return self._load(body["lora_name"], Path(body["lora_path"]))
                case "/v1/unload_lora_adapter":
                    self._adapters.pop(body["lora_name"])
                    return 200, "removed"
                case "/v1/completions":
                    return self._complete(body)
        return 404, "not found"

    def _load(self, name: str, folder: Path) -> tuple[int, str]:
        if name in self._adapters:
            return 400, f"The lora adapter '{name}' has already been loaded."
        lora = peft_reading.read(folder, self._folder, "0" * 16)
        knobs = AdapterSettings(rank=lora.facts.rank, alpha=lora.facts.alpha, targets=lora.facts.targets)
        network = self._base.add(self._base.unused(name), knobs, 0)
        network.load_state_dict(lora.tensors)
        self._kept.append(network)
        self._adapters[name] = self._kept[0] if self._stale else network
        return 200, "added"

    def _complete(self, body: Any) -> tuple[int, Any]:
        if body["model"] not in self._adapters:
            return 404, f"The model `{body['model']}` does not exist."
        assert {name: body[name] for name in PROBABILITIES} == PROBABILITIES
        assert body["return_token_ids"]
        assert body["logprobs"] == 0
        greedy = body["temperature"] == 0
        uniforms = None if greedy else seeded_uniforms(body["max_tokens"], body["seed"])
        request = DecodingRequest(body["prompt"], body["max_tokens"], uniforms, body["temperature"] or 1.0)
        with self._adapters[body["model"]].running():
            loop = DecodingLoop(self._base.model, body["stop_token_ids"], self._base.tokenizer.pad_token_id)
            [sampled] = decode(loop, [request])
        return 200, {"choices": [{"token_ids": sampled.ids, "logprobs": {"token_logprobs": sampled.logprobs}}]}


@contextmanager
def serving(fake: FakeVLLM) -> Iterator[str]:
    """The address at which it answers inside."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _reply(self, body: Any) -> None:
            status, content = fake.answer(self.path, body, self.headers["Authorization"])
            data = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
