"""Sample a policy's answers to conversations, and measure their KL to a reference policy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.log import Log, ignore
from models.minibatches import map_microbatches
from models.policy import ModelSettings, Policy
from models.rollout import Rollout, SamplingSettings, sample
from models.seeding import generator
from models.tokens import Turn, encode_prompts


class GeneratedAnswers(NamedTuple):
    """One answer per prompt, in the order of the prompts."""

    texts: list[str]
    tokens: npt.NDArray[np.int64]
    """(n,) number of tokens, EOS included"""
    ended: npt.NDArray[np.bool_]
    """(n,) whether the answer ended with EOS within the token limit"""
    kl: npt.NDArray[np.float64]
    """(n,) log-ratio to the reference in nats, summed over the answer; its mean estimates the KL per sequence (k1)"""


def answer(
    policy: Policy,
    prompts: Sequence[Sequence[Turn]],
    sampling: SamplingSettings,
    limits: ModelSettings,
    seed: int,
    reference: Policy | None = None,
    log: Log = ignore,
) -> GeneratedAnswers:
    """Sample one answer per prompt; the KL is 0 without a reference.

    Raises:
        BadFeedback, BadParams: see `encode_prompts`.
    """
    ids = [encoded.ids for encoded in encode_prompts(policy.tokenizer, prompts, limits.max_prompt_tokens)]
    rollout = sample(policy, ids, sampling, limits.max_answer_tokens, generator(seed), log=log)
    tokens = rollout.batch.response.sum(dim=1).cpu().numpy()
    return GeneratedAnswers(rollout.answers, tokens, rollout.ended.cpu().numpy(), _kl(rollout, sampling, reference))


def _kl(rollout: Rollout, sampling: SamplingSettings, reference: Policy | None) -> npt.NDArray[np.float64]:
    if reference is None:
        return np.zeros(len(rollout.answers))
    network, temperature = reference.network, sampling.temperature
    tokens = network.compute.microbatch_tokens
    logprobs = map_microbatches(lambda part: network.logprobs(part, temperature), rollout.batch, tokens)
    ratios: npt.NDArray[np.float64] = (rollout.logprobs - logprobs).sum(dim=1).double().cpu().numpy()
    return ratios
