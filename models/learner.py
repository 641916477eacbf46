"""The full training state of an RL run (everything a checkpoint must hold), and the optimiser step."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from models.checkpoints import State
from models.critic import Critic
from models.kl import KLController
from models.policy import Policy
from models.seeding import generator


@dataclass
class Learner:
    """Training state: policy, critic, optimisers, KL controller, random number generator and progress counters."""

    policy: Policy
    critic: Critic
    policy_optimiser: AdamW
    critic_optimiser: AdamW
    controller: KLController
    generator: torch.Generator
    iteration: int = 0
    tokens: int = 0
    """Answer tokens sampled so far."""

    def state_dict(self) -> State:
        """The state to save. Training draws from `generator` only, so no global random state is needed."""
        return {
            "policy": self.policy.model.state_dict(),
            "critic": self.critic.state_dict(),
            "policy_optimiser": self.policy_optimiser.state_dict(),
            "critic_optimiser": self.critic_optimiser.state_dict(),
            "controller": self.controller.state_dict(),
            "generator": self.generator.get_state(),
            "iteration": self.iteration,
            "tokens": self.tokens,
        }

    def load_state_dict(self, state: State) -> None:
        """Restore the state from a checkpoint, in place."""
        self.policy.model.load_state_dict(state["policy"])
        self.critic.load_state_dict(state["critic"])
        self.policy_optimiser.load_state_dict(state["policy_optimiser"])
        self.critic_optimiser.load_state_dict(state["critic_optimiser"])
        self.controller.load_state_dict(state["controller"])
        self.generator.set_state(state["generator"])
        self.iteration, self.tokens = state["iteration"], state["tokens"]


def adam(parameters: Iterable[nn.Parameter], learning_rate: float) -> AdamW:
    """Adam with eps 1e-5 and no weight decay, as in RLHF since Ziegler et al. 2019."""
    return AdamW(parameters, lr=learning_rate, eps=1e-5, weight_decay=0.0)


def descend(loss: Tensor, optimiser: AdamW, learning_rate: float, clip: float) -> Tensor:
    """One optimiser step with the gradient clipped to L2 norm `clip`; returns the norm before clipping, a scalar."""
    [group] = optimiser.param_groups
    group["lr"] = learning_rate
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    norm = nn.utils.clip_grad_norm_(group["params"], clip)
    optimiser.step()
    return norm


def draw(count: int, size: int, iteration: int, seed: int) -> list[int]:
    """Indices of an iteration's `size` prompts out of `count`: passes over all prompts, each in a new order by seed.

    No prompt repeats within a pass. The result is a function of the arguments alone, so a resumed run needs no position
    in a shuffled list.
    """
    positions = range(iteration * size, (iteration + 1) * size)
    epochs = {i // count for i in positions}
    orders = {epoch: torch.randperm(count, generator=generator(seed + epoch)).tolist() for epoch in epochs}
    return [orders[i // count][i % count] for i in positions]
