"""The HTTP API of a vLLM server, as far as sampling needs it: token ids in, token ids and log-probabilities out.

Each answer is a request of its own with a seed of its own, so that it does not depend on what else the server computes.
Every setting that changes probabilities is stated: vLLM takes what a request leaves out from the base model's
`generation_config.json`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

import httpx
from pydantic import BaseModel

from core.errors import NoSampler
from core.log import Log, ignore
from models.model_server import ModelServer, ServerFailure, bearer

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


class CompletionAnswer(NamedTuple):
    """The sampled tokens of an answer, and their log-probabilities in nats."""

    ids: list[int]
    logprobs: list[float]


class VLLMClient(ModelServer):
    """Talks to one server; its errors are `NoSampler`. Methods may be called from any thread."""

    def __init__(self, url: str, trouble: Callable[[], str] = lambda: "", patience: float = PATIENCE) -> None:
        """Nothing is asked yet.

        Args:
            url: address of the server, without `/v1`.
            trouble: what is known of a server that does not answer, for messages.
            patience: seconds to wait for an answer.
        """
        self.url, self._trouble = url.rstrip("/"), trouble
        http = httpx.Client(
            base_url=f"{self.url}/v1",
            headers=bearer(KEY),
            timeout=httpx.Timeout(patience, connect=min(patience, 30.0)),
            trust_env=False,  # no proxy: the server is in the same network
            transport=httpx.HTTPTransport(retries=3, limits=httpx.Limits(max_connections=None)),
        )
        super().__init__(http, self._no_sampler)

    def version(self) -> str:
        """The version of vLLM.

        Raises:
            NoSampler: the server does not answer, or is no vLLM server.
        """
        return self.parsed(_Version, self.ask("GET", f"{self.url}/version")).version

    def complete(
        self, model: str, requests: Sequence[CompletionRequest], decoding: Decoding, log: Log = ignore
    ) -> list[CompletionAnswer]:
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

    def _complete(self, model: str, request: CompletionRequest, decoding: Decoding) -> CompletionAnswer:
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
        [choice] = self.parsed(_Completion, self.ask("POST", "completions", body)).choices
        ids, logprobs = choice.token_ids, choice.logprobs.token_logprobs
        if not 0 < len(ids) == len(logprobs) <= decoding.limit:
            raise NoSampler(
                f"the vLLM server at {self.url} answered with {len(ids)} tokens and {len(logprobs)} log-probabilities "
                f"where 1 to {decoding.limit} were asked for; use the version that requirements-vllm.txt names, or set "
                "sampler.engine=local"
            )
        return CompletionAnswer(ids, logprobs)

    def _no_sampler(self, failure: ServerFailure) -> NoSampler:
        path, trouble = failure.path, self._trouble()
        if failure.status is None:
            return NoSampler(
                f"the vLLM server at {self.url} does not answer {path} ({failure.reason}){trouble}; start it again, or "
                "set sampler.engine=local"
            )
        if failure.status == httpx.codes.UNAUTHORIZED:
            return NoSampler(
                f"the vLLM server at {self.url} wants another key than that of this process; set VLLM_API_KEY to "
                "the key of the server, or set sampler.engine=local"
            )
        if failure.is_form:
            return NoSampler(
                f"the vLLM server at {self.url} answers {path} without {failure.reason}; use the version of vLLM that "
                "requirements-vllm.txt names, or set sampler.engine=local"
            )
        return NoSampler(
            f"the vLLM server at {self.url} answers {path} with {failure.status}: "
            f"{failure.content.decode(errors='replace')[:500]}{trouble}; start it as docs/engine.md says, or set "
            "sampler.engine=local"
        )


class _Version(BaseModel):
    version: str


class _Logprobs(BaseModel):
    token_logprobs: list[float]


class _Choice(BaseModel):
    token_ids: list[int]
    logprobs: _Logprobs


class _Completion(BaseModel):
    choices: tuple[_Choice]
