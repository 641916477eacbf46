"""The cache of a running batch that grows by a column per token: for all model families, and the default on a CPU."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from models import caches


@dataclass
class GrowingCache:
    """Keys, values and states of the rows of a batch, padded on the left."""

    model: PreTrainedModel
    layers: DynamicCache
    mask: Tensor
    """(B, columns) bool: not padding"""

    def step(self, tokens: Tensor, positions: Tensor, adapters: Sequence[str | None]) -> Tensor:
        """Append a token (B, 1) to each row; the logits of the next tokens, (B, V) float32."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        return caches.forward(self.model, tokens, self.mask, positions, self.layers, adapters)

    def select(self, rows: Sequence[int]) -> None:
        """Keep the rows with these indices; an index may occur several times."""
        index = torch.tensor(rows, device=self.mask.device)
        self.mask = self.mask[index]
        caches.select(self.layers, index)

    def merge(self, other: "GrowingCache", limits: Sequence[int]) -> None:
        """Append the rows of `other`, which may have at most so many tokens each."""
        width = max(self.mask.shape[1], other.mask.shape[1])
        self.mask = torch.cat([_widen(self.mask, width), _widen(other.mask, width)])
        caches.merge(self.layers, other.layers)

    def trim(self, columns: int) -> None:
        """Keep the last `columns` columns: those before are padding in all rows."""
        if columns < self.mask.shape[1]:
            self.mask = self.mask[:, -columns:]
            caches.trim(self.layers, columns)


def _widen(mask: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(mask, (width - mask.shape[1], 0))
