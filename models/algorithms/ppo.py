"""Proximal policy optimisation from a reward model, with the settings that RLHF practice has converged on.

What differs from a textbook PPO (Schulman et al. 2017): the KL to a reference policy is a price per token inside the
reward (Ziegler et al. 2019), the critic is a network of its own that starts from the reward model's, and an answer that
does not end by itself gets a fixed low score. Each choice is described at its knob; the metrics are in docs/metrics.md.
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from core.errors import BadFeedback
from core.log import Log, ignore
from models.advantage import explained_variance, gae, k1, masked, masked_mean, masked_sum, masked_whiten, token_rewards
from models.algorithms import Algorithm, Score
from models.checkpoints import Checkpoints
from models.critic import Critic
from models.kl import KLController, KLSettings
from models.learner import Learner, adam, descend, draw
from models.losses import policy_loss, value_loss
from models.minibatches import each, rows, split
from models.policy import Policy, response_logprobs
from models.reward import RewardModel
from models.rollout import Rollout, SamplingSettings, sample
from models.seeding import generator
from models.tokens import Batch

Metrics = dict[str, float]


class ScoredRollout(NamedTuple):
    """What is known of the answers before the policy learns from them."""

    scores: Tensor
    """(B,) the reward's word, or the floor for an answer that did not end."""
    kl: Tensor
    """(B, T) nats per token to the reference, estimator k1."""
    values: Tensor
    """(B, T) what the critic expected."""


class Experience(NamedTuple):
    """What the policy and the critic learn from; all (B, T)."""

    batch: Batch
    logprobs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor


class PPO(Algorithm):
    """PPO with a separate critic. The defaults are the ones vetted in the embedded help-desk world."""

    steps: int = Field(10, ge=1)
    """Iterations of rollout and learning."""
    episodes: int = Field(128, ge=2)
    """Answers sampled in an iteration."""
    minibatch: int = Field(64, ge=1)
    """Answers in one gradient step, and in one forward pass without gradients."""
    epochs: int = Field(2, ge=1)
    """Passes over an iteration's answers."""
    learning_rate: float = Field(5e-4, gt=0)
    """Of the policy's Adam."""
    critic_learning_rate: float = Field(5e-4, gt=0)
    """Of the critic's Adam."""
    warm_up: int = Field(0, ge=0)
    """Iterations in which both learning rates rise; constant afterwards (Ouyang et al. 2022, C.4)."""
    kl: KLSettings = KLSettings()
    """The price of leaving the reference."""
    gamma: float = Field(1.0, gt=0, le=1)
    """Discount per token; answers are short and judged as a whole, so none."""
    lam: float = Field(0.95, ge=0, le=1)
    """λ of generalised advantage estimation: 1 trusts the score alone, 0 the critic alone."""
    clip: float = Field(0.2, gt=0, lt=1)
    """A token's probability earns nothing for moving by more than this share."""
    dual_clip: float = Field(3.0, gt=1)
    """Bound on the loss of a token with a negative advantage, in multiples of it (Ye et al. 2020)."""
    value_clip: float = Field(0.2, gt=0)
    """The critic earns nothing for moving a value by more than this, in units of score."""
    gradient_clip: float = Field(1.0, gt=0)
    """Largest norm of a gradient, policy and critic each."""
    unended_score: float | None = -2.0
    """Score of an answer without an end, whatever the reward says (the EOS trick, Huang et al. 2024); null for none."""
    sampling: SamplingSettings = SamplingSettings()
    """How answers are drawn. Its temperature divides the logits in every log-probability."""
    checkpoint_every: int = Field(5, ge=1)
    """Iterations between two checkpoints."""

    def train(
        self,
        policy: Policy,
        reference: Policy,
        reward: Score,
        prompts: Sequence[Sequence[int]],
        limit: int,
        checkpoints: Checkpoints | None = None,
        log: Log = ignore,
        seed: int = 0,
    ) -> Policy:
        """Train `policy` in place: rollout, score, advantages, optimise, log, as often as `steps` says.

        Raises:
            BadFeedback: there is no prompt to answer.
        """
        if not prompts:
            raise BadFeedback("no prompt to train on; ingest feedback or give the source a sampler of prompts")
        learner = self._start(policy, reward, checkpoints, seed)
        while learner.iteration < self.steps:
            started = perf_counter()
            # 1. rollout
            chosen = draw(len(prompts), self.episodes, learner.iteration, seed)
            rollout = sample(policy, [prompts[i] for i in chosen], self.sampling, limit, learner.generator)
            learner.tokens += int(rollout.batch.response.sum())
            sampled = perf_counter()
            # 2. score
            scored = self._score(learner, reference, reward, rollout)
            metrics = self._describe(learner, rollout, scored)
            if learner.controller.stops(metrics["objective/kl"]):
                log({**metrics, "objective/kl_stop": 1.0}, learner.iteration, self.steps)
                break
            judged = perf_counter()
            # 3. advantages
            experience = self._advantages(learner.controller.coefficient, rollout, scored)
            # 4. optimise
            metrics |= self._optimise(learner, experience)
            learner.controller.update(metrics["objective/kl"], self.episodes)
            # 5. log
            seconds = {"rollout": sampled - started, "score": judged - sampled, "train": perf_counter() - judged}
            log({**metrics, **_speed(rollout, seconds)}, learner.iteration, self.steps)
            learner.iteration += 1
            # not after the last one: killed later, there is still an iteration to run and to report
            if checkpoints and learner.iteration % self.checkpoint_every == 0 and learner.iteration < self.steps:
                checkpoints.save(learner.state_dict())
        return policy

    def _start(self, policy: Policy, reward: Score, checkpoints: Checkpoints | None, seed: int) -> Learner:
        """A fresh learner, or the one that was interrupted."""
        critic = reward.critic() if isinstance(reward, RewardModel) else Critic.from_policy(policy)
        policy.model.eval()  # no dropout: a ratio must compare two policies, not two masks
        learner = Learner(
            policy,
            critic,
            adam(policy.model.parameters(), self.learning_rate),
            adam(critic.parameters(), self.critic_learning_rate),
            KLController(self.kl),
            generator(seed),
        )
        if checkpoints and (state := checkpoints.load()):
            learner.load_state_dict(state)
        return learner

    def _score(self, learner: Learner, reference: Policy, reward: Score, rollout: Rollout) -> ScoredRollout:
        batch = rollout.batch
        scores = reward(batch).float()
        if self.unended_score is not None:
            scores = torch.where(rollout.ended, scores, self.unended_score)
        kl = k1(rollout.logprobs, each(self._logprobs(reference), batch, self.minibatch))
        return ScoredRollout(scores, masked(kl, batch.response), each(learner.critic.values, batch, self.minibatch))

    def _logprobs(self, policy: Policy) -> Callable[[Batch], Tensor]:
        return lambda batch: response_logprobs(policy.model, batch, self.sampling.temperature)

    def _describe(self, learner: Learner, rollout: Rollout, scored: ScoredRollout) -> Metrics:
        """The metrics of the answers, before anything is learned from them."""
        batch = rollout.batch
        metrics = {
            "objective/kl": masked_sum(scored.kl, batch.response).mean().item(),
            "objective/kl_coefficient": learner.controller.coefficient,
            "objective/score": scored.scores.mean().item(),
            "objective/score_std": scored.scores.std(correction=0).item(),
            # the surprise of sampled tokens is an unbiased estimate of the entropy and needs no (B, T, V) tensor
            "objective/entropy": -masked_mean(rollout.logprobs, batch.response).item(),
            "answer/tokens": batch.response.sum(dim=1).float().mean().item(),
            "answer/sampled": learner.tokens,
            "answer/ended": rollout.ended.float().mean().item(),
        }
        if learner.iteration == 0:  # the old log-probabilities are the sampler's: show once that they are the model's
            fresh = each(self._logprobs(learner.policy), batch, self.minibatch)
            metrics["rollout_mismatch"] = (fresh - rollout.logprobs).abs().max().item()
        return metrics

    def _advantages(self, coefficient: float, rollout: Rollout, scored: ScoredRollout) -> Experience:
        mask = rollout.batch.response
        rewards = token_rewards(scored.scores, scored.kl, mask, coefficient)
        advantages, returns = gae(rewards, scored.values, mask, self.gamma, self.lam)
        return Experience(rollout.batch, rollout.logprobs, scored.values, masked_whiten(advantages, mask), returns)

    def _optimise(self, learner: Learner, experience: Experience) -> Metrics:
        """Some epochs of minibatches. The metrics are means over all of them, weighted by token."""
        mask = experience.batch.response
        totals: dict[str, Tensor] = {}
        updates = 0
        for _ in range(self.epochs):
            minibatches = split(experience.batch, self.minibatch, learner.generator)
            # one denominator for all minibatches, so that a token counts the same in a long answer and a short one
            tokens = mask.sum() / len(minibatches)
            for index in minibatches:
                for name, value in self._update(learner, experience, index, tokens).items():
                    totals[name] = totals.get(name, torch.zeros_like(value)) + value
                updates += 1
        means = {name: (total / updates).item() for name, total in totals.items()}
        explained = explained_variance(experience.values, experience.returns, mask).item()
        return {**means, "value/explained_variance": explained}

    def _update(self, learner: Learner, experience: Experience, index: list[int], tokens: Tensor) -> dict[str, Tensor]:
        """One gradient step of the policy and of the critic."""
        batch = rows(experience.batch, index)
        logprobs, values, advantages, returns = (tensor[index, : batch.ids.shape[1]] for tensor in experience[1:])

        def mean(per_token: Tensor) -> Tensor:
            return masked(per_token, batch.response).sum() / tokens

        rise = min(1.0, (learner.iteration + 1) / (self.warm_up + 1))
        new = self._logprobs(learner.policy)(batch)
        found = policy_loss(new, logprobs, advantages, self.clip, self.dual_clip)
        norm = descend(mean(found.loss), learner.policy_optimiser, rise * self.learning_rate, self.gradient_clip)
        missed = mean(value_loss(learner.critic.values(batch), values, returns, self.value_clip))
        critic_norm = descend(missed, learner.critic_optimiser, rise * self.critic_learning_rate, self.gradient_clip)
        return {
            "loss": mean(found.loss).detach(),
            "approx_kl": mean(found.kl),
            "clip_fraction": mean(found.clipped.float()),
            "grad_norm": norm,
            "value/loss": missed.detach(),
            "value/grad_norm": critic_norm,
        }


def _speed(rollout: Rollout, seconds: dict[str, float]) -> Metrics:
    """Seconds of each phase, and answer tokens a second over all of them."""
    tokens = int(rollout.batch.response.sum())
    phases = {f"time/{phase}": spent for phase, spent in seconds.items()}
    return {**phases, "time/tokens_per_second": tokens / sum(seconds.values())}
