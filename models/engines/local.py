"""This process: the CPU or one GPU."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from models import ranks, token_counts, training
from models.allocation import compact
from models.checkpoints import State
from models.compute import Precision, precision
from models.critic import Critic
from models.engines import Engine, Loss, Objective, Score, Step, Update
from models.minibatches import lengths, map_microbatches, select_rows, shared_microbatches
from models.policy import Policy
from models.reward import RewardModel
from models.rollout import Rollout, Sampler, SamplingSettings, sample
from models.tokens import Batch


class LocalEngine(Engine):
    """Policy, reference, reward and critic in this process."""

    def __init__(self, policy: Policy, reference: Policy, reward: Score, sampler: Sampler = sample) -> None:
        """Nothing learns yet.

        Args:
            policy: trained in place.
            reference: the frozen policy that the KL penalty is measured against.
            reward: scores each prompt with its answer.
            sampler: samples the policy's answers.
        """
        self.policy, self._reference, self._reward, self._sampler = policy, reference, reward, sampler
        self._critic: Critic | None = None
        self._policy_optimiser = adam(policy.network.parameters())
        self._critic_optimiser: AdamW | None = None

    @property
    def precision(self) -> Precision:
        """How exactly the policy computes."""
        return precision(self.policy.device, self.policy.network.compute.dtype)

    @property
    def samples_here(self) -> bool:
        """Whether this process samples."""
        return self._sampler is sample

    @property
    def model_type(self) -> str:
        """The family of the policy's model."""
        name: str = self.policy.model.config.model_type
        return name

    @property
    def critic(self) -> Critic:
        """The critic.

        Raises:
            RuntimeError: `add_critic` was not called.
        """
        if self._critic is None:
            raise RuntimeError("the engine has no critic; call add_critic first")
        return self._critic

    def sample(
        self, prompts: Sequence[Sequence[int]], sampling: SamplingSettings, limit: int, generator: torch.Generator
    ) -> Rollout:
        """Sample answers from the policy."""
        return self._sampler(self.policy, prompts, sampling, limit, generator)

    def logprobs(self, batch: Batch, temperature: float) -> Tensor:
        """Log-probabilities of the answer tokens under the policy."""
        return self._map(lambda part: self.policy.logprobs(part, temperature), batch)

    def reference_logprobs(self, batch: Batch, temperature: float) -> Tensor:
        """Log-probabilities of the answer tokens under the reference."""
        return self._map(lambda part: self._reference.logprobs(part, temperature), batch)

    def scores(self, batch: Batch) -> Tensor:
        """The reward of each answer."""
        return self._reward(batch).float()

    def add_critic(self, shared: bool) -> None:
        """A critic initialised from the reward model (from the policy, if the reward is a rule), or a shared one."""
        if not shared and isinstance(self._reward, RewardModel):
            self._critic = self._reward.critic()
        else:
            self._critic = Critic.from_policy(self.policy, shared)
        if shared:
            self._policy_optimiser = adam([*self.policy.network.parameters(), *self._critic.head.parameters()])
        else:
            self._critic_optimiser = adam(self._critic.parameters())

    def values(self, batch: Batch) -> Tensor:
        """The critic's value of the state before each answer token."""
        return self._map(self.critic.values, batch)

    def update_policy(
        self, batch: Batch, rows: Sequence[int], temperature: float, objective: Objective, step: Step
    ) -> Update:
        """One gradient step of the policy."""

        def loss(part: Batch, index: list[int]) -> Loss:
            return objective(self.policy.logprobs(part, temperature), index)

        return self._descend(batch, rows, loss, self._policy_optimiser, step)

    def update_critic(self, batch: Batch, rows: Sequence[int], objective: Objective, step: Step) -> Update:
        """One gradient step of the critic."""
        if self._critic_optimiser is None:
            raise RuntimeError("the engine has no critic of its own; call add_critic first, or update_both")

        def loss(part: Batch, index: list[int]) -> Loss:
            return objective(self.critic.values(part), index)

        return self._descend(batch, rows, loss, self._critic_optimiser, step)

    def update_both(
        self,
        batch: Batch,
        rows: Sequence[int],
        temperature: float,
        objectives: tuple[Objective, Objective],
        step: Step,
    ) -> Update:
        """One gradient step of policy and shared critic."""
        network = self.policy.network

        def loss(part: Batch, index: list[int]) -> Loss:
            hidden = network.hidden(part.ids)
            policy = objectives[0](network.logprobs_of(hidden, part, temperature), index)
            critic = objectives[1](self.critic.values_of(hidden, part), index)
            return Loss(policy.value + critic.value, {**policy.metrics, **critic.metrics})

        return self._descend(batch, rows, loss, self._policy_optimiser, step)

    def state_dict(self) -> State:
        """Weights and optimisers."""
        state: State = {
            "policy": self.policy.network.state_dict(),
            "policy_optimiser": self._policy_optimiser.state_dict(),
        }
        if self._critic is None:
            return state
        if self._critic_optimiser is None:
            return {**state, "value_head": self._critic.head.state_dict()}
        return {**state, "critic": self._critic.state_dict(), "critic_optimiser": self._critic_optimiser.state_dict()}

    def layout(self) -> State:
        """How the weights and moments of a checkpoint are divided among ranks here."""
        state: State = {
            "policy": self.policy.network.state_dict(),
            "policy_optimiser": training.layout(self._policy_optimiser),
        }
        if self._critic is None or self._critic_optimiser is None:
            return state
        critic = {"network": self._critic.network.state_dict()}
        return {**state, "critic": critic, "critic_optimiser": training.layout(self._critic_optimiser)}

    def load_state_dict(self, state: State) -> None:
        """Continue from a checkpoint, in place."""
        self.policy.network.load_state_dict(state["policy"])
        training.load(self._policy_optimiser, state["policy_optimiser"])
        if self._critic is None:
            return
        if self._critic_optimiser is None:
            self._critic.head.load_state_dict(state["value_head"])
            return
        self._critic.load_state_dict(state["critic"])
        training.load(self._critic_optimiser, state["critic_optimiser"])

    def close(self) -> None:
        """Free everything but the policy when training has ended: gradients, moments, critic, reference and reward."""
        for optimiser in (self._policy_optimiser, self._critic_optimiser):
            if optimiser:
                training.free(optimiser)
        del self._policy_optimiser, self._critic_optimiser, self._critic, self._reference, self._reward

    def _map(self, function: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
        return map_microbatches(function, batch, self.policy.network.compute.microbatch_tokens)

    def _descend(
        self,
        batch: Batch,
        rows: Sequence[int],
        loss: Callable[[Batch, list[int]], Loss],
        optimiser: AdamW,
        step: Step,
    ) -> Update:
        metrics: dict[str, Tensor] = {}
        tokens = self.policy.network.compute.microbatch_tokens
        sizes = lengths(batch)
        token_counts.count_trained(sum(sizes[row] for row in rows))
        parts = shared_microbatches(sizes, rows, tokens)

        def losses() -> Iterator[Tensor]:
            for index, weight in parts:
                part = loss(select_rows(batch, index).to(self.policy.device), index)
                for name, value in part.metrics.items():
                    metrics[name] = metrics.get(name, torch.zeros_like(value)) + weight * value
                yield weight * part.value

        with compact(self.policy.device, self.policy.network.compute.compact):
            update = Update(descend(losses(), optimiser, step), metrics)
            ranks.add_up(list(metrics.values()))
            optimiser.zero_grad()  # not in memory beside those of the critic, or the cache of the next rollout
        return update


def adam(parameters: Iterable[nn.Parameter]) -> AdamW:
    """Adam with eps 1e-5 and no weight decay, as in RLHF since Ziegler et al. 2019."""
    return training.adamw(parameters, eps=1e-5, weight_decay=0.0)


def descend(losses: Iterable[Tensor], optimiser: AdamW, step: Step) -> Tensor:
    """One optimiser step along the gradient of the sum of the losses; returns the gradient's L2 norm, before clipping.

    Each loss is differentiated before the next is computed, so that one graph is in memory at a time.
    """
    parameters: list[Any] = [weight for group in optimiser.param_groups for weight in group["params"]]
    for group in optimiser.param_groups:
        group["lr"] = step.learning_rate
    optimiser.zero_grad()
    for loss in losses:
        torch.autograd.backward(loss)
    ranks.add_up_gradients(parameters)
    norm = training.clip(parameters, step.clip)
    optimiser.step()
    return norm
