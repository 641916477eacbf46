"""Which training pairs a score may owe most to: those whose answers the reward model takes for nearly the same.

The head is linear in the hidden state at the end of the text, so what a training pair taught it moves the score of
another text as far as both hidden states point the same way (representer points: Yeh et al. 2018). That is not all
that a pair taught: the network below the head has learned, too.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from models.minibatches import select_rows, split
from models.reward import ROWS, RewardModel
from models.tokens import Turn, encode_answers, encode_prompts, pad

Array = npt.NDArray[np.float32]


class Neighbour(NamedTuple):
    """A training pair near to a text."""

    row: int
    """Its place in the data."""
    side: Literal["chosen", "rejected"]
    """Which of its answers is the near one."""
    similarity: float
    """Cosine of the two hidden states, both less the mean over the training answers: -1 to 1."""


def nearest(
    model: RewardModel, prompt: Sequence[Turn], answer: str, data: Sequence[Mapping[str, Any]], count: int
) -> list[Neighbour]:
    """The `count` nearest of the rows (prompt, chosen, rejected), by the nearer of their two answers."""
    if not data:
        return []
    prompts = [row["prompt"] for row in data]
    known = np.stack([states(model, prompts, [row[side] for row in data]) for side in ("chosen", "rejected")])
    mean = known.mean(axis=(0, 1))
    cosines = _cosines(known - mean, states(model, [prompt], [answer])[0] - mean)
    best = cosines.max(axis=0)
    order = np.argsort(-best, kind="stable")[:count]
    return [
        Neighbour(int(i), "chosen" if cosines[0, i] >= cosines[1, i] else "rejected", float(best[i])) for i in order
    ]


@torch.no_grad()
def states(model: RewardModel, prompts: Sequence[Sequence[Turn]], answers: Sequence[str]) -> Array:
    """The hidden state that the head reads at the end of each text: (n, H)."""
    scorer, tokenizer = model.scorer, model.scorer.tokenizer
    contexts = [encoded.ids for encoded in encode_prompts(tokenizer, prompts, model.prompt_limit)]
    batch = pad(contexts, encode_answers(tokenizer, answers, model.answer_limit), tokenizer.pad_token_id)
    found = np.zeros((len(answers), scorer.head.in_features), dtype=np.float32)
    for index in split(batch, ROWS):
        found[index] = scorer.ends(select_rows(batch, index)).float().cpu().numpy()
    return found


def _cosines(known: Array, text: Array) -> Array:
    lengths = np.linalg.norm(known, axis=-1) * np.linalg.norm(text)
    return np.asarray((known @ text) / np.maximum(lengths, np.finfo(np.float32).tiny))
