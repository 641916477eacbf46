"""The critic (value model): the expected return at each position of an answer."""

import copy

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.advantage import masked
from models.policy import Policy
from models.tokens import Batch


class Critic(nn.Module):
    """A causal transformer without its language-model head, plus a scalar value head. Dropout is always off."""

    def __init__(self, trunk: PreTrainedModel, head: nn.Linear) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head
        self.eval()

    @classmethod
    def from_policy(cls, policy: Policy) -> "Critic":
        """A copy of the policy's trunk with a value head initialised to zero, so that all initial values are 0."""
        trunk = policy.model.base_model
        head = nn.Linear(trunk.config.hidden_size, 1, device=trunk.device, dtype=torch.float32)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        return cls(copy.deepcopy(trunk), head)

    def forward(self, ids: Tensor) -> Tensor:
        """Value after reading each token of `ids` (B, T): (B, T) float32, in units of the score.

        No attention mask is needed: with right padding, no real token attends to padding under a causal mask.
        """
        hidden = self.trunk(input_ids=ids, use_cache=False).last_hidden_state
        values: Tensor = self.head(hidden.float()).squeeze(-1)  # hidden: (B, T, H)
        return values

    def values(self, batch: Batch) -> Tensor:
        """Value of the state *before* each answer token: (B, T) float32, 0 outside the answer."""
        after = self(batch.ids.to(self.trunk.device))
        before = torch.cat([torch.zeros_like(after[:, :1]), after[:, :-1]], dim=1)
        return masked(before, batch.response.to(before.device))
