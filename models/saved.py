"""Check what was saved: loaded again, it must compute the same, and begin and end answers with the same tokens.

Libraries lose parts of a model without an error: a head that is not in a list of modules, an adapter that is not
active, the second of two tied matrices, the tokens that end an answer, the chat template.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from core.errors import BadModel
from models.sampling import draw
from models.tokens import Batch, pad

if TYPE_CHECKING:  # networks call this module
    from models.network import Network

ROWS = ((7, 5), (4, 6))
"""Tokens of prompt and answer of the texts that are compared."""
UNIFORMS = (0.1, 0.7, 0.4, 0.9)
"""Random numbers of the sampled answer whose first tokens are compared."""


def probe(network: "Network") -> Batch:
    """Two texts of arbitrary tokens."""
    width = network.vocabulary
    texts = [[(31 * row + 17 * ix + 5) % width for ix in range(sum(sizes))] for row, sizes in enumerate(ROWS)]
    prompts = [text[: sizes[0]] for text, sizes in zip(texts, ROWS, strict=True)]
    answers = [text[sizes[0] :] for text, sizes in zip(texts, ROWS, strict=True)]
    return pad(prompts, answers, 0)


def check(before: Tensor, after: Tensor, where: str) -> None:
    """Compare what a model and its saved copy computed.

    Raises:
        BadModel: the two differ.
    """
    if not torch.allclose(before, after, rtol=0, atol=1e-5):
        difference = float((before - after).abs().max())
        raise _lost(
            f"{where}: the saved model does not compute what the model in memory does (difference {difference:.3g}): "
            "weights were lost"
        )


@torch.no_grad()
def first_tokens(model: PreTrainedModel) -> list[tuple[int, int]]:
    """The first tokens of a greedy and of a sampled answer to a prompt of arbitrary tokens.

    The answers are decoded without a cache: that decoding with one is right is checked by `models.families` before
    training, and by `models.mismatch` in each iteration.
    """
    width = model.get_input_embeddings().num_embeddings
    ids = torch.tensor([[(17 * ix + 5) % width for ix in range(ROWS[0][0])]] * 2, device=model.device)
    for uniform in UNIFORMS:
        logprobs = model(input_ids=ids, use_cache=False).logits[:, -1].float().log_softmax(dim=-1)  # (2, V)
        sampled = draw(logprobs[1:], torch.tensor([uniform], dtype=torch.float64, device=model.device))
        ids = torch.cat([ids, torch.stack([logprobs[0].argmax(), sampled[0]])[:, None]], dim=1)
    greedy, sampled = ids[:, ROWS[0][0] :].tolist()
    return list(zip(greedy, sampled, strict=True))


def check_answers(before: "Network", after: "Network", where: str) -> None:
    """Compare how a network and its saved copy begin answers, and which tokens end them.

    Raises:
        BadModel: the two differ.
    """
    ends = [network.model.generation_config.eos_token_id for network in (before, after)]
    if ends[0] != ends[1]:
        raise _lost(f"{where}: answers of the saved model end at the token {ends[1]}, those in memory at {ends[0]}")
    tokens = []
    for network in (before, after):
        with network.running():
            tokens.append(first_tokens(network.model))
    if tokens[0] != tokens[1]:
        raise _lost(f"{where}: the saved model samples other answers than the model in memory: weights were lost")


def check_tokenizer(before: PreTrainedTokenizerBase, after: PreTrainedTokenizerBase, where: str) -> None:
    """Compare a tokenizer with its saved copy: tokens, the one that ends an answer, and the chat template.

    Raises:
        BadModel: the two differ.
    """
    parts = {
        "chat template": (before.chat_template or None, after.chat_template or None),
        "token that ends an answer": (before.eos_token_id, after.eos_token_id),
        "vocabulary": (before.get_vocab(), after.get_vocab()),
    }
    for name, (own, saved) in parts.items():
        if own != saved:
            raise _lost(f"{where}: the saved tokenizer has another {name} than the tokenizer in memory")


def check_numbers(before: Mapping[str, float], after: Mapping[str, float], where: str) -> None:
    """Compare the numbers that belong to a model with those of its saved copy.

    Raises:
        BadModel: one differs.
    """
    for name, own in before.items():
        if own != after[name]:
            raise _lost(f"{where}: {name} is {after[name]}, and {own} in memory")


def _lost(problem: str) -> BadModel:
    return BadModel(f"{problem}, so it is not kept; use another base model, and report this with its type")
