"""Everything that changes while a policy learns from a reward, and so everything that a checkpoint must hold."""

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
    """A policy and its critic, their optimisers, the price of KL, the dice, and how far they are."""

    policy: Policy
    critic: Critic
    policy_optimiser: AdamW
    critic_optimiser: AdamW
    controller: KLController
    generator: torch.Generator
    iteration: int = 0
    tokens: int = 0
    """Tokens sampled so far."""

    def state_dict(self) -> State:
        """All of it. The dice are this learner's own, so no global generator has a part in training."""
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
        """Go on from a checkpoint."""
        self.policy.model.load_state_dict(state["policy"])
        self.critic.load_state_dict(state["critic"])
        self.policy_optimiser.load_state_dict(state["policy_optimiser"])
        self.critic_optimiser.load_state_dict(state["critic_optimiser"])
        self.controller.load_state_dict(state["controller"])
        self.generator.set_state(state["generator"])
        self.iteration, self.tokens = state["iteration"], state["tokens"]


def adam(parameters: Iterable[nn.Parameter], learning_rate: float) -> AdamW:
    """Adam as RLHF has used it since Ziegler et al. 2019: eps 1e-5, no weight decay."""
    return AdamW(parameters, lr=learning_rate, eps=1e-5, weight_decay=0.0)


def descend(loss: Tensor, optimiser: AdamW, learning_rate: float, clip: float) -> Tensor:
    """One step down the loss with the gradient's norm held at `clip`; returns the norm it had."""
    [group] = optimiser.param_groups
    group["lr"] = learning_rate
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    norm = nn.utils.clip_grad_norm_(group["params"], clip)
    optimiser.step()
    return norm


def draw(count: int, size: int, iteration: int, seed: int) -> list[int]:
    """Which of `count` prompts an iteration takes: none comes twice before all came once, order by seed.

    A function of the iteration alone, so that a continued run needs no position in a shuffled list.
    """
    places = range(iteration * size, (iteration + 1) * size)
    orders = {
        lap: torch.randperm(count, generator=generator(seed + lap)).tolist() for lap in {i // count for i in places}
    }
    return [orders[i // count][i % count] for i in places]
