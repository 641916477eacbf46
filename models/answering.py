"""Answers of a policy to conversations, and how far they are from a reference policy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.log import Log, ignore
from models.minibatches import each
from models.policy import ModelSettings, Policy, response_logprobs
from models.rollout import Rollout, SamplingSettings, sample
from models.seeding import generator
from models.tokens import Turn, encode_prompts


class GeneratedAnswers(NamedTuple):
    """Answers in the order of their prompts."""

    texts: list[str]
    tokens: npt.NDArray[np.int64]
    """(n,) length, EOS included"""
    ended: npt.NDArray[np.bool_]
    """(n,) whether EOS came before the limit"""
    kl: npt.NDArray[np.float64]
    """(n,) log-ratio to the reference summed over the answer, in nats: its mean estimates the KL per sequence (k1)"""


def answer(
    policy: Policy,
    prompts: Sequence[Sequence[Turn]],
    sampling: SamplingSettings,
    limits: ModelSettings,
    seed: int,
    reference: Policy | None = None,
    log: Log = ignore,
) -> GeneratedAnswers:
    """Sample an answer to each prompt. Without a reference the KL is 0 throughout."""
    ids = [encoded.ids for encoded in encode_prompts(policy.tokenizer, prompts, limits.max_prompt_tokens)]
    rollout = sample(policy, ids, sampling, limits.max_answer_tokens, generator(seed), log=log)
    tokens = rollout.batch.response.sum(dim=1).cpu().numpy()
    return GeneratedAnswers(rollout.answers, tokens, rollout.ended.cpu().numpy(), _kl(rollout, sampling, reference))


def _kl(rollout: Rollout, sampling: SamplingSettings, reference: Policy | None) -> npt.NDArray[np.float64]:
    if reference is None:
        return np.zeros(len(rollout.answers))
    model, temperature = reference.model, sampling.temperature
    theirs = each(lambda part: response_logprobs(model, part, temperature), rollout.batch, sampling.batch)
    ratios: npt.NDArray[np.float64] = (rollout.logprobs - theirs).sum(dim=1).double().cpu().numpy()
    return ratios
