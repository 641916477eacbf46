"""Check what was saved: loaded again, it must compute the same.

Libraries lose parts of a model without an error: a head that is not in a list of modules, an adapter that is not
active, the second of two tied matrices.
"""

import torch
from torch import Tensor

from core.errors import BadModel
from models.network import Network
from models.tokens import Batch, pad

ROWS = ((7, 5), (4, 6))
"""Tokens of prompt and answer of the texts that are compared."""


def probe(network: Network) -> Batch:
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
        raise BadModel(
            f"{where}: the saved model does not compute what the model in memory does (difference {difference:.3g}): "
            "weights were lost, so it is not kept; use another base model, and report this with its type"
        )
