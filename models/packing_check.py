"""Whether a model computes packed rows (`models.packing`) as it computes each text in a row of its own.

It does not if it ignores the mask or the positions: recurrent layers, convolutions, ALiBi. A sliding window is ignored
by a model that is given a mask. So each architecture is compared on a small random model, as in `models.families`.
"""

import json
import logging
from functools import lru_cache
from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from models import families, side_by_side
from models.network import Network, WholeNetwork
from models.packing import pack
from models.tokens import pad

LIMIT = 1e-4
"""Largest difference of a hidden state, as a share of the largest hidden state. Right families: 1e-6; wrong ones: .1"""

_logger = logging.getLogger(__name__)

_ATTENTION = ("sdpa", "eager")
"""Implementations of attention that accept a mask of any form."""
_PROMPTS, _COUNTS = ([5, 6, 7, 8, 9, 10, 11], [20, 21, 22]), (3, 2)
_ANSWERS = ([12, 13, 14, 15, 16, 17], [40, 41, 42], [30, 31, 32, 33, 34], [50, 51, 52, 53], [23, 24, 25])
_POSITIONS = 16
"""Most positions of the small model: more than a text has, fewer than a packed row has."""


def accepts(network: Network) -> bool:
    """Whether packed rows give the same hidden states up to rounding. The result is kept, by configuration.

    Rotary embeddings that depend on the longest text of a batch are not accepted.
    """
    model = network.model
    if side_by_side.changes(model) or model.config._attn_implementation not in _ATTENTION:
        return False
    text = model.config.get_text_config(decoder=True)
    return _accepts(type(text), text.to_json_string(use_diff=False))  # type: ignore[arg-type]  # a class is hashable


@lru_cache(maxsize=32)
def _accepts(kind: type[PreTrainedConfig], config: str) -> bool:
    model = families.small_model(kind, _with_few_positions(kind, json.loads(config)))
    try:
        difference = mismatch(model) if model else torch.inf
    except Exception as error:  # modelling code may raise anything
        _logger.debug("%s: packed rows fail with %s: %s", kind.model_type, type(error).__name__, error)
        return False
    _logger.debug("%s: packed rows differ by %.2g", kind.model_type, difference)
    return difference <= LIMIT


def _with_few_positions(kind: type[PreTrainedConfig], fields: dict[str, Any]) -> dict[str, Any]:
    """Modelling code may have tables of the size of a row; rotary embeddings are computed for any position."""
    name = kind.attribute_map.get("max_position_embeddings", "max_position_embeddings")
    return fields if name not in fields or fields.get("rope_parameters") else fields | {name: _POSITIONS}


@torch.no_grad()
def mismatch(model: PreTrainedModel) -> float:
    """Largest difference of hidden states between packed rows and texts, as a share of the largest hidden state."""
    network, device = WholeNetwork(model), model.device
    prompts = [prompt for prompt, count in zip(_PROMPTS, _COUNTS, strict=True) for _ in range(count)]
    batch = pad(prompts, _ANSWERS, 0).to(device)
    expected = network.hidden(batch.ids)[batch.mask]
    states = network.hidden_packed(pack(batch, _COUNTS))[batch.mask]
    return ((states - expected).abs().max() / expected.abs().max()).nan_to_num(nan=torch.inf).item()
