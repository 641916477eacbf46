"""Rollouts: answers sampled from the policy, with the log-probability of every sampled token.

Prompts are sorted by length, and each batch is decoded to its end (`models.decoding`), on a CPU in one part for each
thread. Each row has its own uniform random numbers, so that an answer does not depend (except for rounding) on the
other rows of its batch.
"""

from collections.abc import Mapping, Sequence
from threading import Event
from typing import NamedTuple, Protocol

import torch
from pydantic import Field
from torch import Tensor

from core.log import Log, ignore
from core.settings import BaseSettings
from models import side_by_side, token_counts
from models.compute import computing
from models.decoding import DecodingLoop, DecodingRequest, SampledAnswer, decode
from models.policy import Policy
from models.ranks import add_up, current
from models.tokens import Batch, by_length, decode_answer, pad


class SamplingSettings(BaseSettings):
    """How answers are sampled."""

    temperature: float = Field(1.0, gt=0)
    """Sampling temperature: divides the logits, both for sampling and in all log-probabilities."""
    batch: int = Field(128, ge=1)
    """Prompts per batch."""


class Rollout(NamedTuple):
    """Prompts with sampled answers, in the order of the prompts, on the model's device."""

    batch: Batch
    logprobs: Tensor
    """(B, T) float32, aligned with the tokens as in `Network.logprobs`; 0 outside the answer"""
    answers: list[str]
    ended: Tensor
    """(B,) bool: the answer ends with EOS; False if it was truncated at the limit"""


class Sampler(Protocol):
    """What samples the answers of a policy: `sample`, in this process, or a server (`models.engines.vllm`)."""

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
        """One answer per prompt; see `sample`."""
        ...


@torch.no_grad()  # gradient checkpointing would drop the cache
def sample(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    sampling: SamplingSettings,
    limit: int,
    generator: torch.Generator,
    greedy: bool = False,
    log: Log = ignore,
) -> Rollout:
    """Sample one answer of at most `limit` tokens (EOS included) per prompt; `greedy` takes the most likely tokens.

    `prompts` are token ids, padded on the left for decoding. `generator` is on the CPU: it draws the uniform numbers of
    all prompts and positions, (prompts, limit), before sampling starts.
    """
    uniforms = torch.rand(len(prompts), limit, dtype=torch.float64, generator=generator)
    requests = [
        DecodingRequest(prompt, limit, None if greedy else numbers, sampling.temperature)
        for prompt, numbers in zip(prompts, uniforms, strict=True)
    ]
    answers: dict[int, SampledAnswer] = {}
    ranks = current()
    decoders: list[DecodingLoop] = []  # of all batches: on a GPU, they keep the tensors and graphs of the one before
    batches = by_length([len(prompt) for prompt in prompts], sampling.batch, None)
    with policy.network.whole():
        for step, rows in enumerate(batches):
            decoded = _decoded(policy, decoders, requests, ranks.own(rows))
            token_counts.count_sampled(sum(len(answer.ids) for answer in decoded.values()))
            answers.update(decoded)
            log({"answers": len(answers)}, step, len(batches))
    return assembled(policy, prompts, _of_all_ranks(answers, len(prompts), limit))


def _decoded(
    policy: Policy, decoders: list[DecodingLoop], requests: Sequence[DecodingRequest], rows: Sequence[int]
) -> dict[int, SampledAnswer]:
    """The answers to the requests with these indices, by index; on a CPU one part, and one decoder, a thread."""

    def decoded(part: tuple[DecodingLoop, Sequence[int]], stop: Event) -> list[SampledAnswer]:
        decoder, own = part
        with computing(policy.device, policy.network.compute.dtype):
            return decode(decoder, [requests[row] for row in own], stop)

    # what collects divided weights belongs to one thread
    parts = [rows] if policy.network.divided else side_by_side.parts(rows, policy.model, policy.device)
    while len(decoders) < len(parts):
        decoders.append(DecodingLoop(policy.model, policy.end_ids, policy.tokenizer.pad_token_id))
    with policy.network.running():
        answers = side_by_side.compute(decoded, list(zip(decoders, parts, strict=False)))
    return {
        row: answer for part, own in zip(parts, answers, strict=True) for row, answer in zip(part, own, strict=True)
    }


def _of_all_ranks(own: Mapping[int, SampledAnswer], count: int, limit: int) -> list[SampledAnswer]:
    """The answers to all prompts, in their order, from those that each rank sampled."""
    if current().count > 1:
        sampled = sum(len(answer.ids) for answer in own.values())
        ids, lengths = torch.zeros(count, limit, dtype=torch.int64), torch.zeros(count, dtype=torch.int64)
        logprobs = torch.zeros(count, limit, dtype=torch.float64)
        for row, answer in own.items():
            lengths[row] = length = len(answer.ids)
            ids[row, :length], logprobs[row, :length] = torch.tensor(answer.ids), torch.tensor(answer.logprobs).double()
        add_up([ids, lengths, logprobs])
        own = {
            row: SampledAnswer(ids[row, :length].tolist(), logprobs[row, :length].tolist())
            for row, length in enumerate(lengths.tolist())
        }
        token_counts.count_sampled(int(lengths.sum()) - sampled)  # each rank counts all
    return [own[row] for row in range(count)]


def assembled(policy: Policy, prompts: Sequence[Sequence[int]], answers: Sequence[SampledAnswer]) -> Rollout:
    """The rollout of prompts and their answers, in the order of the prompts."""
    ids, end_ids = [answer.ids for answer in answers], policy.end_ids
    batch = pad(prompts, ids, policy.tokenizer.pad_token_id).to(policy.device)
    logprobs = torch.tensor([value for answer in answers for value in answer.logprobs], device=policy.device)
    return Rollout(
        batch,
        torch.zeros(batch.ids.shape, device=policy.device).masked_scatter(batch.response, logprobs),
        [decode_answer(policy.tokenizer, row) for row in ids],
        torch.tensor([row[-1] in end_ids for row in ids], device=policy.device),
    )
