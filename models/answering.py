"""Sample a policy's answers to conversations, and measure their KL to a reference policy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.log import Log, ignore
from models.minibatches import map_microbatches
from models.policy import ModelSettings, Policy
from models.rollout import Rollout, Sampler, SamplingSettings, sample
from models.seeding import generator
from models.tokens import Turn, encode_prompts
from models.truncation import cut_share


class GeneratedAnswers(NamedTuple):
    """One answer per prompt, in the order of the prompts."""

    texts: list[str]
    tokens: npt.NDArray[np.int64]
    """(n,) number of tokens, EOS included"""
    ended: npt.NDArray[np.bool_]
    """(n,) whether the answer ended with EOS within the token limit"""
    cut_prompts: float
    """Share of the prompts that were truncated on the left"""
    rollout: Rollout
    """Prompts and answers as tokens, with the log-probability of each"""


def answer(
    policy: Policy,
    prompts: Sequence[Sequence[Turn]],
    sampling: SamplingSettings,
    limits: ModelSettings,
    seed: int,
    log: Log = ignore,
    sampler: Sampler = sample,
) -> GeneratedAnswers:
    """Sample one answer per prompt.

    Raises:
        BadFeedback, BadParams: see `encode_prompts`.
    """
    encoded = encode_prompts(policy.tokenizer, prompts, limits.max_prompt_tokens)
    ids = [prompt.ids for prompt in encoded]
    rollout = sampler(policy, ids, sampling, limits.max_answer_tokens, generator(seed), log=log)
    tokens = rollout.batch.response.sum(dim=1).cpu().numpy()
    return GeneratedAnswers(rollout.answers, tokens, rollout.ended.cpu().numpy(), cut_share(encoded), rollout)


def divergence(rollout: Rollout, temperature: float, reference: Policy) -> npt.NDArray[np.float64]:
    """Log-ratio of each answer to the reference in nats: (n,); its mean estimates the KL per sequence (k1).

    `temperature` is that of the rollout. The policy that answered need not be in memory any more.
    """
    network = reference.network
    tokens = network.compute.microbatch_tokens
    logprobs = map_microbatches(lambda part: network.logprobs(part, temperature), rollout.batch, tokens)
    ratios: npt.NDArray[np.float64] = (rollout.logprobs - logprobs).sum(dim=1).double().cpu().numpy()
    return ratios
