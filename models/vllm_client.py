"""The HTTP API of a vLLM server, as far as sampling needs it: token ids in, token ids and log-probabilities out.

Each answer is a request of its own with a seed of its own, so that it does not depend on what else the server computes.
Every setting that changes probabilities is stated: vLLM takes what a request leaves out from the base model's
`generation_config.json`.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from core.errors import NoSampler
from core.log import Log, ignore
from models.decoding import SampledAnswer

KEY = "VLLM_API_KEY"
"""The environment variable from which vLLM, and this client, take the key of the server."""

PATIENCE = 1800.0
"""Seconds to wait for one answer: a server on a CPU samples a whole batch meanwhile."""

PROBABILITIES = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "min_tokens": 0,
}
"""Settings with which a token is drawn from the probabilities of the model, and temperature alone changes those."""

Parsed = TypeVar("Parsed", bound=BaseModel)


class CompletionRequest(NamedTuple):
    """A prompt to answer."""

    prompt: Sequence[int]
    """Token ids."""
    seed: int


class Decoding(NamedTuple):
    """What the requests of a rollout have in common."""

    limit: int
    """Maximum tokens of an answer, the token that ends it included."""
    temperature: float
    """0 takes the most likely tokens, whose log-probabilities are those at temperature 1."""
    end_ids: Sequence[int]
    """Token ids that end an answer."""
    at_once: int
    """Requests that wait for an answer at the same time."""


class VLLMClient:
    """Talks to one server. Methods may be called from any thread."""

    def __init__(self, url: str, trouble: Callable[[], str] = lambda: "") -> None:
        """Nothing is asked yet.

        Args:
            url: address of the server, without `/v1`.
            trouble: what is known of a server that does not answer, for messages.
        """
        self.url, self._trouble = url.rstrip("/"), trouble
        key = os.environ.get(KEY)
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(PATIENCE, connect=30.0),
            trust_env=False,  # no proxy: the server is in the same network
            transport=httpx.HTTPTransport(retries=3, limits=httpx.Limits(max_connections=None)),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def version(self) -> str:
        """The version of vLLM.

        Raises:
            NoSampler: the server does not answer, or is no vLLM server.
        """
        return self._parsed(_Version, self._ask("GET", "/version")).version

    def models(self) -> list[str]:
        """The names of what the server has: the base, and adapters.

        Raises:
            NoSampler: the server does not answer, or is no vLLM server.
        """
        return [model.id for model in self._parsed(_Models, self._ask("GET", "/v1/models")).data]

    def add_adapter(self, name: str, folder: Path) -> None:
        """Let the server load an adapter, in peft's format, from a folder that it can read.

        Raises:
            NoSampler: it cannot.
        """
        self._ask("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})

    def remove_adapter(self, name: str) -> None:
        """Let the server forget an adapter.

        Raises:
            NoSampler: it cannot.
        """
        self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    def complete(
        self, model: str, requests: Sequence[CompletionRequest], decoding: Decoding, log: Log = ignore
    ) -> list[SampledAnswer]:
        """An answer to each request, in their order.

        Args:
            model: name of the adapter or of the base.
            requests: prompts and seeds.
            decoding: how they are answered.
            log: receives how many are answered.

        Raises:
            NoSampler: the server does not answer one of them, or answers without token ids or log-probabilities.
        """
        pool = ThreadPoolExecutor(max(1, min(decoding.at_once, len(requests))))
        try:
            waiting = [pool.submit(self._complete, model, request, decoding) for request in requests]
            for done, future in enumerate(as_completed(waiting)):
                future.result()
                log({"answers": done + 1}, done, len(requests))
            return [future.result() for future in waiting]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _complete(self, model: str, request: CompletionRequest, decoding: Decoding) -> SampledAnswer:
        body = {
            "model": model,
            "prompt": list(request.prompt),
            "seed": request.seed,
            "max_tokens": decoding.limit,
            "temperature": decoding.temperature,
            **PROBABILITIES,
            "stop_token_ids": list(decoding.end_ids),
            "logprobs": 0,
            "return_token_ids": True,
            "skip_special_tokens": False,
        }
        [choice] = self._parsed(_Completion, self._ask("POST", "/v1/completions", body)).choices
        ids, logprobs = choice.token_ids, choice.logprobs.token_logprobs
        if not 0 < len(ids) == len(logprobs) <= decoding.limit:
            raise NoSampler(
                f"the vLLM server at {self.url} answered with {len(ids)} tokens and {len(logprobs)} log-probabilities "
                f"where 1 to {decoding.limit} were asked for; use the version that requirements-vllm.txt names, or set "
                "sampler.engine=local"
            )
        return SampledAnswer(ids, logprobs)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}"
            raise NoSampler(
                f"the vLLM server at {self.url} does not answer {path} ({reason}){self._trouble()}; start it again, or "
                "set sampler.engine=local"
            ) from error
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise NoSampler(
                f"the vLLM server at {self.url} wants another key than that of this process; set VLLM_API_KEY to "
                "the key of the server, or set sampler.engine=local"
            )
        if answer.is_error:
            raise NoSampler(
                f"the vLLM server at {self.url} answers {path} with {answer.status_code}: {answer.text[:500]}"
                f"{self._trouble()}; start it as docs/engine.md says, or set sampler.engine=local"
            )
        return answer

    def _parsed(self, kind: type[Parsed], answer: httpx.Response) -> Parsed:
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError as error:
            first = error.errors()[0]
            raise NoSampler(
                f"the vLLM server at {self.url} answers {answer.url.path} without "
                f"{'.'.join(map(str, first['loc'])) or 'JSON'} ({first['msg']}); use the version of vLLM that "
                "requirements-vllm.txt names, or set sampler.engine=local"
            ) from error


class _Version(BaseModel):
    version: str


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


class _Logprobs(BaseModel):
    token_logprobs: list[float]


class _Choice(BaseModel):
    token_ids: list[int]
    logprobs: _Logprobs


class _Completion(BaseModel):
    choices: tuple[_Choice]
