"""Sampling by a vLLM server: the policy is handed over as an adapter, a file; scores and updates stay in the trainer.

Each version of the adapter has a name and a folder of its own, made of its content: vLLM keeps the keys and values of
prompts by both, and goes on using those of the former version if a new one has the same, without an error.
After each hand-over the log-probabilities of sampled tokens are compared with those of the trainer; scores of given
texts would not show the error, since they are computed without the cache.

Of several ranks the first one talks to the server, and tells the others what it answers.
"""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch

from core.errors import BadModel, NoSampler
from core.files import digest
from core.log import Log, ignore
from models import mismatch, peft_files, ranks, token_counts
from models.compute import precision
from models.decoding import SampledAnswer
from models.loading import BaseFolder
from models.mismatch import LIMITS, RolloutMismatch
from models.policy import Policy
from models.rollout import Rollout, SamplingSettings, assembled
from models.shared_base import AdapterNetwork
from models.tokens import pad
from models.vllm_client import CompletionRequest, Decoding, VLLMClient
from models.vllm_server import ServedBase

SEEDS = 2**62
"""Seeds of requests are below this."""

COMPARED = 8
"""Tokens that are sampled for the comparison after a hand-over, at most."""

Connect = Callable[[ServedBase], VLLMClient]
"""Starts a server for a base, or connects to one that runs, after it has ended the one before."""


class Probe(NamedTuple):
    """A few tokens that a server has sampled with an adapter that it has just loaded."""

    url: str
    answer: SampledAnswer


class VLLMSampler:
    """A `Sampler`: the answers of policies that are adapters, from a vLLM server. Not thread-safe.

    All ranks call it together. The first one alone has a connection.
    """

    def __init__(self, connect: Connect, base_folder: BaseFolder, folder: Path) -> None:
        """Nothing is started yet.

        Args:
            connect: called when the first answers are sampled, and for another base or a larger rank.
            base_folder: where bases are.
            folder: for the adapters that are handed over; the server reads them there.
        """
        self._connect, self._base_folder, self._folder = connect, base_folder, folder
        self._client: VLLMClient | None = None
        self._served: ServedBase | None = None
        self._name: str | None = None
        self._next: str | None = None
        self._probe: list[int] = []
        ranks.once(lambda: shutil.rmtree(folder, ignore_errors=True))  # of a run that was killed

    def __call__(
        self,
        policy: Policy,
        prompts: Sequence[Sequence[int]],
        sampling: SamplingSettings,
        limit: int,
        generator: torch.Generator,
        greedy: bool = False,
        log: Log = ignore,
    ) -> Rollout:
        """One answer of at most `limit` tokens per prompt; `greedy` takes the most likely tokens.

        `generator` is on the CPU: it draws a seed for each prompt. With `greedy`, log-probabilities are those at
        temperature 1.

        Raises:
            BadModel: the policy is no adapter.
            NoSampler: the server does not answer.
            RolloutMismatch: the server samples with other weights than those of the policy.
        """
        if not prompts:
            return assembled(policy, [], [])
        temperature = 0.0 if greedy else sampling.temperature
        decoding = Decoding(limit, temperature, policy.end_ids, sampling.batch)
        seeds = torch.randint(SEEDS, (len(prompts),), generator=generator).tolist()
        self._probe = self._probe or max(map(list, prompts), key=len)
        self._hand_over(policy, sampling.temperature)
        requests = [CompletionRequest(*request) for request in zip(prompts, seeds, strict=True)]
        answers = ranks.told(lambda: self._answers(requests, decoding, log))
        token_counts.count_sampled(sum(len(answer.ids) for answer in answers))
        return assembled(policy, prompts, answers)

    def close(self) -> None:
        """Let the server forget the policy, if it still answers."""
        if self._client:
            with suppress(NoSampler):
                self._remove_last(self._client)

    def _hand_over(self, policy: Policy, temperature: float) -> None:
        """Let the server have the policy as it is now."""
        network = policy.network
        if not isinstance(network, AdapterNetwork):
            raise BadModel(
                "sampler.engine=vllm: the policy is a whole model, and only adapters are handed over to a server; set "
                "sampler.engine=local, or train adapters with model.adapter"
            )
        own = self._folder / "own"
        ranks.once(lambda: _emptied(own))
        network.save(own, policy.tokenizer)  # by all ranks, like the comparison: each may have a part of the weights
        if probe := ranks.told(lambda: self._added(network, own, Decoding(COMPARED, temperature, policy.end_ids, 1))):
            self._check(probe, policy, temperature, self._base_folder(network.base.digest))
            ranks.once(self._replace_last)

    def _added(self, network: AdapterNetwork, own: Path, decoding: Decoding) -> Probe | None:
        """What the server samples with an adapter that it did not have; None if it has it.

        It always answers the same prompt: if it has mistaken this adapter for another one, it has kept keys and values
        of that.
        """
        client, draft = self._connected(network), self._folder / "draft"
        _emptied(draft)
        peft_files.write(own, self._base_folder(network.base.digest), network.base.digest, draft)
        shutil.rmtree(own)
        name = f"{network.name}-{digest(draft)[:16]}"
        if name == self._name:
            shutil.rmtree(draft)
            return None
        draft.rename(self._folder / name)
        if name in client.models():  # of a round that was killed; its folder is gone
            client.remove_adapter(name)
        client.add_adapter(name, (self._folder / name).resolve())
        self._next = name
        [answer] = client.complete(name, [CompletionRequest(self._probe, 0)], decoding)
        return Probe(client.url, SampledAnswer(*answer))

    def _answers(self, requests: Sequence[CompletionRequest], decoding: Decoding, log: Log) -> list[SampledAnswer]:
        assert self._client is not None
        assert self._name is not None
        return [SampledAnswer(*answer) for answer in self._client.complete(self._name, requests, decoding, log)]

    def _connected(self, network: AdapterNetwork) -> VLLMClient:
        """A server with the base of an adapter, which takes adapters of its rank."""
        wanted = ServedBase(network.base.digest, network.base.facts(network.name).rank)
        served = self._served
        if self._client and served and served.digest == wanted.digest and served.rank >= wanted.rank:
            return self._client
        self._client, self._served, self._name = self._connect(wanted), wanted, None
        return self._client

    def _replace_last(self) -> None:
        """Let the server forget the version before the one that was compared."""
        if self._client:
            self._remove_last(self._client)
        self._name = self._next

    def _remove_last(self, client: VLLMClient) -> None:
        if name := self._name:
            self._name = None
            client.remove_adapter(name)
            shutil.rmtree(self._folder / name)

    @torch.no_grad()
    def _check(self, probe: Probe, policy: Policy, temperature: float, base: Path) -> None:
        """Compare a few sampled tokens.

        Raises:
            RolloutMismatch: they differ by more than rounding.
        """
        answer = probe.answer
        batch = pad([self._probe], [answer.ids], policy.tokenizer.pad_token_id).to(policy.device)
        own = policy.logprobs(batch, temperature)[batch.response].cpu()
        sampled = torch.tensor(answer.logprobs)
        difference = mismatch.measure(own, sampled, torch.ones_like(own, dtype=torch.bool))
        computed = precision(policy.device, policy.network.compute.dtype)
        limit = LIMITS[computed]
        if (value := getattr(difference, limit.statistic)) <= limit.nats:
            return
        worst = int((own - sampled).abs().argmax())
        raise RolloutMismatch(
            f"the vLLM server at {probe.url} does not compute what the trainer computes: it sampled the token "
            f"{answer.ids[worst]} with the log-probability {sampled[worst]:.4g}, which is {own[worst]:.4g} here; over "
            f"{len(own)} tokens the difference is {value:.3g} nats ({limit.statistic}), more than {limit.nats:g}, the "
            f"limit for {computed}. Start the server with the base {base}, --dtype "
            f"{policy.network.compute.dtype} and --logprobs-mode processed_logprobs, let it start anew, or set "
            "sampler.engine=local"
        )


def _emptied(folder: Path) -> None:
    """Make an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
