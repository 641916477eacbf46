"""The critic: what score a policy can expect at each place of an answer."""

import copy

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.advantage import masked
from models.policy import Policy
from models.tokens import Batch


class Critic(nn.Module):
    """A trunk (any causal model without its output layer) and a linear head, always without dropout."""

    def __init__(self, trunk: PreTrainedModel, head: nn.Linear) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head
        self.eval()

    @classmethod
    def from_policy(cls, policy: Policy) -> "Critic":
        """A copy of the policy's trunk; the new head is zero, and expects nothing yet (Ziegler et al. 2019)."""
        trunk = policy.model.base_model
        head = nn.Linear(trunk.config.hidden_size, 1, device=trunk.device, dtype=torch.float32)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        return cls(copy.deepcopy(trunk), head)

    def forward(self, ids: Tensor) -> Tensor:
        """The number at each position, which has seen the tokens up to and including its own: (B, T) float32.

        No attention mask: padding is on the right, out of a causal model's sight.
        """
        hidden = self.trunk(input_ids=ids, use_cache=False).last_hidden_state
        found: Tensor = self.head(hidden.float()).squeeze(-1)
        return found

    def values(self, batch: Batch) -> Tensor:
        """What is expected *before* each token of the answer: (B, T) float32, 0 outside the answer."""
        after = self(batch.ids.to(self.trunk.device))
        before = torch.cat([torch.zeros_like(after[:, :1]), after[:, :-1]], dim=1)
        return masked(before, batch.response.to(before.device))
