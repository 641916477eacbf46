"""Engines: where a policy samples, is scored and learns. One file each; an algorithm calls an engine, never a model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from models import mismatch
from models.checkpoints import State
from models.compute import Precision
from models.minibatches import select_rows
from models.mismatch import Mismatch
from models.policy import Policy
from models.rollout import Rollout, SamplingSettings
from models.tokens import Batch


class Score(Protocol):
    """A reward function: a `RewardModel` with the policy's tokenizer, or a rule."""

    def __call__(self, batch: Batch) -> Tensor:
        """One score per text, higher is better, with a standard deviation of about 1: (B,) float32."""


class Loss(NamedTuple):
    """The loss of some rows of a minibatch: its part of a sum over the minibatch, so that parts can be added up."""

    value: Tensor
    """A scalar."""
    metrics: dict[str, Tensor]
    """Parts of the minibatch's metrics, which are sums too: scalars without gradients."""


Objective = Callable[[Tensor, list[int]], Loss]
"""What a network computed for some rows, (rows, T), and the indices of these rows → their loss."""


class Step(NamedTuple):
    """How far a network moves along its gradient."""

    learning_rate: float
    clip: float
    """Largest L2 norm of the gradient."""


class Update(NamedTuple):
    """What one gradient step did."""

    norm: Tensor
    """L2 norm of the gradient before clipping, a scalar."""
    metrics: dict[str, Tensor]
    """The metrics of the objective, summed over the minibatch."""


class VerifiedRollout(NamedTuple):
    """A rollout, and how far the sampler's log-probabilities were from those of a forward pass."""

    rollout: Rollout
    mismatch: Mismatch
    ratio: Tensor
    """(B, T) probability of each answer token by the forward pass, divided by that of the sampler: importance weights.
    1 where the sampler's log-probabilities were kept."""


class Engine(ABC):
    """A policy that learns, with its reference, its reward function and, where wanted, its critic.

    Batches are right-padded; results are on the engine's device. Nothing but `update_…` changes a weight.
    """

    policy: Policy

    @property
    @abstractmethod
    def precision(self) -> Precision:
        """How exactly the policy computes."""

    @property
    @abstractmethod
    def samples_here(self) -> bool:
        """Whether the sampler and the forward pass are the same code, which rounds alike in float32."""

    @property
    @abstractmethod
    def model_type(self) -> str:
        """The family of the policy's model, for messages."""

    @abstractmethod
    def sample(
        self, prompts: Sequence[Sequence[int]], sampling: SamplingSettings, limit: int, generator: torch.Generator
    ) -> Rollout:
        """Sample answers from the policy; see `models.rollout.sample`."""

    @abstractmethod
    def logprobs(self, batch: Batch, temperature: float) -> Tensor:
        """Log-probabilities of the answer tokens under the policy: (B, T) float32 in nats, 0 outside the answers."""

    def verified(self, rollout: Rollout, temperature: float, iteration: int, seed: int) -> VerifiedRollout:
        """A rollout whose log-probabilities were compared with those of a forward pass.

        In float32 those of the sampler are kept, and a sample of rows is compared. In bfloat16 and TF32, and where a
        server samples, the two differ by more, and all are computed again.

        Raises:
            RolloutMismatch: they differ by more than rounding.
        """
        recomputed = mismatch.recomputes(self.precision) or not self.samples_here
        count = len(rollout.batch.ids)
        index = list(range(count)) if recomputed else mismatch.rows(count, iteration, seed)
        part = select_rows(rollout.batch, index)
        again = self.logprobs(part, temperature)
        difference = mismatch.measure(again, rollout.logprobs[index, : part.ids.shape[1]], part.response)
        mismatch.check(difference, self.precision, self.model_type, iteration)
        if not recomputed:
            return VerifiedRollout(rollout, difference, torch.ones_like(rollout.logprobs))
        return VerifiedRollout(rollout._replace(logprobs=again), difference, (again - rollout.logprobs).exp())

    @abstractmethod
    def reference_logprobs(self, batch: Batch, temperature: float) -> Tensor:
        """As `logprobs`, under the reference."""

    @abstractmethod
    def scores(self, batch: Batch) -> Tensor:
        """The reward of each answer: (B,) float32."""

    @abstractmethod
    def add_critic(self, shared: bool) -> None:
        """Let the engine have a critic: initialised from the reward model, or `shared`, a head on the policy."""

    @abstractmethod
    def values(self, batch: Batch) -> Tensor:
        """The critic's value of the state before each answer token: (B, T) float32, 0 outside the answers."""

    @abstractmethod
    def update_policy(
        self, batch: Batch, rows: Sequence[int], temperature: float, objective: Objective, step: Step
    ) -> Update:
        """One gradient step of the policy on some rows of a batch. The objective gets log-probabilities."""

    @abstractmethod
    def update_critic(self, batch: Batch, rows: Sequence[int], objective: Objective, step: Step) -> Update:
        """One gradient step of a separate critic on some rows of a batch. The objective gets values."""

    @abstractmethod
    def update_both(
        self,
        batch: Batch,
        rows: Sequence[int],
        temperature: float,
        objectives: tuple[Objective, Objective],
        step: Step,
    ) -> Update:
        """One gradient step of policy and shared critic on the sum of both losses, from one forward pass."""

    @abstractmethod
    def state_dict(self) -> State:
        """Weights and optimisers, for a checkpoint."""

    @abstractmethod
    def layout(self) -> State:
        """How the tensors of a checkpoint are divided among ranks here; see `Checkpoints.load`."""

    @abstractmethod
    def load_state_dict(self, state: State) -> None:
        """Continue from a checkpoint."""
