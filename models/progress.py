"""How far an RL run has come, beside its weights; and which prompts an iteration has."""

from dataclasses import dataclass

import torch

from models.checkpoints import State
from models.kl import KLController
from models.seeding import generator


@dataclass
class Progress:
    """KL controller, random number generator and counters of a run."""

    controller: KLController
    generator: torch.Generator
    iteration: int = 0
    tokens: int = 0
    """Answer tokens sampled so far."""

    def state_dict(self) -> State:
        """The state to save. Training draws from `generator` only, so no global random state is needed."""
        return {
            "controller": self.controller.state_dict(),
            "generator": self.generator.get_state(),
            "iteration": self.iteration,
            "tokens": self.tokens,
        }

    def load_state_dict(self, state: State) -> None:
        """Restore the state from a checkpoint, in place."""
        self.controller.load_state_dict(state["controller"])
        self.generator.set_state(state["generator"])
        self.iteration, self.tokens = state["iteration"], state["tokens"]


def draw(count: int, size: int, iteration: int, seed: int) -> list[int]:
    """Indices of an iteration's `size` prompts out of `count`: passes over all prompts, each in a new order by seed.

    No prompt repeats within a pass. The result is a function of the arguments alone, so a resumed run needs no position
    in a shuffled list.
    """
    positions = range(iteration * size, (iteration + 1) * size)
    epochs = {i // count for i in positions}
    orders = {epoch: torch.randperm(count, generator=generator(seed + epoch)).tolist() for epoch in epochs}
    return [orders[i // count][i % count] for i in positions]
