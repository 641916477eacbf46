"""Adapters with random weights, which change what their base computes."""

import torch

from models.adapters import AdapterSettings
from models.shared_base import AdapterNetwork, SharedBase

KNOBS = AdapterSettings(rank=2)


def moved(base: SharedBase, name: str, seed: int) -> AdapterNetwork:
    """An adapter that changes what the base computes."""
    network = base.add(name, KNOBS, seed)
    for ix, (_, tensor) in enumerate(sorted(network.state_dict().items())):
        shuffle = torch.Generator().manual_seed(100 * seed + ix)
        with torch.no_grad():
            tensor.copy_(torch.randn(tensor.shape, generator=shuffle) * 0.2)
    return network
