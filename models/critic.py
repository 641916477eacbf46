"""The critic (value model): the expected return at each position of an answer."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.advantage import masked
from models.network import Network
from models.policy import Policy
from models.tokens import Batch


class Critic:
    """A causal transformer without its output layer, plus a scalar value head. Dropout is always off."""

    def __init__(self, network: Network, head: nn.Linear) -> None:
        self.network, self.head = network, head

    @classmethod
    def from_policy(cls, policy: Policy, shared: bool = False) -> "Critic":
        """A copy of the policy with a value head initialised to zero, so that all initial values are 0.

        Args:
            policy: where it starts.
            shared: use the policy's own network instead of a copy; it then learns from both losses.
        """
        network = policy.network if shared else policy.network.copy("critic", trunk=True)
        head = nn.Linear(network.width, 1, device=network.device, dtype=torch.float32)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        return cls(network, head)

    def parameters(self) -> list[nn.Parameter]:
        """The weights that are trained, those of the head last."""
        return [*self.network.parameters(), *self.head.parameters()]

    def state_dict(self) -> dict[str, Mapping[str, Tensor]]:
        """The weights of network and head; those in memory, not copies."""
        return {"network": self.network.state_dict(), "head": self.head.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace the weights, in place."""
        self.network.load_state_dict(state["network"])
        self.head.load_state_dict(state["head"])

    def values(self, batch: Batch) -> Tensor:
        """Value of the state *before* each answer token: (B, T) float32, 0 outside the answer."""
        batch = batch.to(self.network.device)
        return self.values_of(self.network.hidden(batch.ids), batch)

    def values_of(self, hidden: Tensor, batch: Batch) -> Tensor:
        """As `values`, from the hidden states (B, T, H) of the batch, which is on the network's device."""
        after: Tensor = self.head(hidden.float()).squeeze(-1)  # value after reading each token
        before = torch.cat([torch.zeros_like(after[:, :1]), after[:, :-1]], dim=1)
        return masked(before, batch.response)
