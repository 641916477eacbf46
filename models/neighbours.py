"""Nearest training pairs of a text: those with an answer whose hidden state is most similar in the reward model.

The head is linear in the hidden state at the last token, so what a training pair taught the head changes the score of
another text by an amount that grows with the similarity of their hidden states (representer points: Yeh et al. 2018).
This omits the pair's effect on the layers below the head, which are trained as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from models.minibatches import lengths, microbatches, select_rows
from models.reward import RewardModel
from models.tokens import Turn, encode_answers, encode_prompts, pad

Array = npt.NDArray[np.float32]


class Neighbour(NamedTuple):
    """A training pair similar to a text."""

    row: int
    """Row index in the data."""
    side: Literal["chosen", "rejected"]
    """Which of its two answers is the more similar one."""
    similarity: float
    """Cosine similarity of the two hidden states, centred by the mean over the training answers: -1 to 1."""


def nearest(
    model: RewardModel, prompt: Sequence[Turn], answer: str, data: Sequence[Mapping[str, Any]], count: int
) -> list[Neighbour]:
    """The `count` rows (prompt, chosen, rejected) with the most similar answer, most similar first.

    A row counts by the more similar of its two answers; without rows, the result is empty.

    Raises:
        BadFeedback, BadParams: see `encode_prompts`.
    """
    if not data:
        return []
    prompts = [row["prompt"] for row in data]
    answers = ([row[side] for row in data] for side in ("chosen", "rejected"))
    training = np.stack([hidden_states(model, prompts, texts) for texts in answers])  # (2, n, H)
    mean = training.mean(axis=(0, 1))
    cosines = _cosines(training - mean, hidden_states(model, [prompt], [answer])[0] - mean)  # (2, n)
    best = cosines.max(axis=0)
    order = np.argsort(-best, kind="stable")[:count]
    return [
        Neighbour(int(i), "chosen" if cosines[0, i] >= cosines[1, i] else "rejected", float(best[i])) for i in order
    ]


@torch.no_grad()
def hidden_states(model: RewardModel, prompts: Sequence[Sequence[Turn]], answers: Sequence[str]) -> Array:
    """The hidden state at the last token of each text, which is the input of the head: (n, H) float32."""
    scorer, tokenizer = model.scorer, model.scorer.tokenizer
    contexts = [encoded.ids for encoded in encode_prompts(tokenizer, prompts, model.prompt_limit)]
    batch = pad(contexts, encode_answers(tokenizer, answers, model.answer_limit), tokenizer.pad_token_id)
    states = np.zeros((len(answers), scorer.head.in_features), dtype=np.float32)
    counts = lengths(batch)
    order = sorted(range(len(counts)), key=counts.__getitem__)
    for index in microbatches(counts, order, scorer.network.compute.microbatch_tokens):
        states[index] = scorer.final_hidden_states(select_rows(batch, index)).float().cpu().numpy()
    return states


def _cosines(training: Array, text: Array) -> Array:
    norms = np.linalg.norm(training, axis=-1) * np.linalg.norm(text)
    return np.asarray((training @ text) / np.maximum(norms, np.finfo(np.float32).tiny))
