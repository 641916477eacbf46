"""Proximal policy optimisation (PPO) against a reward model, with the settings that RLHF practice has converged on.

Differences from PPO as published (Schulman et al. 2017): the reward includes a per-token KL penalty against a reference
policy (Ziegler et al. 2019), the critic is a separate network initialised from the reward model, and an answer without
EOS gets a fixed low score. Each setting documents its choice; docs/metrics.md defines the metrics.
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
from models.measured import (
    POLICY_ANSWER_ENDED,
    POLICY_ANSWER_SAMPLED,
    POLICY_ANSWER_TOKENS,
    POLICY_APPROX_KL,
    POLICY_CLIP_FRACTION,
    POLICY_GRAD_NORM,
    POLICY_LOSS,
    POLICY_OBJECTIVE_ENTROPY,
    POLICY_OBJECTIVE_KL,
    POLICY_OBJECTIVE_KL_COEFFICIENT,
    POLICY_OBJECTIVE_KL_STOP,
    POLICY_OBJECTIVE_SCORE,
    POLICY_OBJECTIVE_SCORE_STD,
    POLICY_ROLLOUT_MISMATCH,
    POLICY_TIME_ROLLOUT,
    POLICY_TIME_SCORE,
    POLICY_TIME_TOKENS_PER_SECOND,
    POLICY_TIME_TRAIN,
    POLICY_VALUE_EXPLAINED_VARIANCE,
    POLICY_VALUE_GRAD_NORM,
    POLICY_VALUE_LOSS,
)
from models.minibatches import map_minibatches, select_rows, split
from models.policy import Policy, response_logprobs
from models.reward import RewardModel
from models.rollout import Rollout, SamplingSettings, sample
from models.seeding import generator
from models.tokens import Batch

Metrics = dict[str, float]


class ScoredRollout(NamedTuple):
    """Scores, KL and values of a rollout, computed before the update."""

    scores: Tensor
    """(B,) reward of each answer, or `unended_score` for an answer without EOS"""
    kl: Tensor
    """(B, T) KL to the reference per token in nats, estimator k1"""
    values: Tensor
    """(B, T) value of the state before each token"""


class Experience(NamedTuple):
    """Training data of one iteration; tensors are (B, T), 0 outside the answers."""

    batch: Batch
    logprobs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor


class PPO(Algorithm):
    """PPO with a separate critic. The defaults were validated on the embedded help-desk world."""

    steps: int = Field(10, ge=1)
    """Iterations, each a rollout followed by updates."""
    episodes: int = Field(128, ge=2)
    """Answers sampled per iteration."""
    minibatch: int = Field(64, ge=1)
    """Answers per gradient step, and per forward pass without gradients."""
    epochs: int = Field(2, ge=1)
    """Epochs over the answers of each iteration."""
    learning_rate: float = Field(5e-4, gt=0)
    """Learning rate of the policy (Adam)."""
    critic_learning_rate: float = Field(5e-4, gt=0)
    """Learning rate of the critic (Adam)."""
    warm_up: int = Field(0, ge=0)
    """Iterations of linear warm-up of both learning rates, which are then constant (Ouyang et al. 2022, C.4)."""
    kl: KLSettings = KLSettings()
    """KL penalty against the reference policy."""
    gamma: float = Field(1.0, gt=0, le=1)
    """Discount factor per token; 1 (no discounting), since answers are short and scored as a whole."""
    lam: float = Field(0.95, ge=0, le=1)
    """λ of generalised advantage estimation (GAE): 1 uses Monte Carlo returns, 0 one-step TD errors."""
    clip: float = Field(0.2, gt=0, lt=1)
    """Clip range ε of the probability ratio: the surrogate objective clips the ratio to [1 - ε, 1 + ε]."""
    dual_clip: float = Field(3.0, gt=1)
    """Dual clip: the loss of a token with a negative advantage A is at most this times |A| (Ye et al. 2020)."""
    value_clip: float = Field(0.2, gt=0)
    """Clip range of the value loss, in units of score."""
    gradient_clip: float = Field(1.0, gt=0)
    """Gradient clipping threshold (L2 norm), for policy and critic separately."""
    unended_score: float | None = -2.0
    """Score of an answer without EOS, replacing its reward (EOS trick, Huang et al. 2024); null keeps the reward."""
    sampling: SamplingSettings = SamplingSettings()
    """Sampling of rollouts. The temperature applies to all log-probabilities, those of the reference included."""
    checkpoint_every: int = Field(5, ge=1)
    """Iterations between checkpoints."""

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
        """Train `policy` in place for `steps` iterations of rollout, score, advantages, optimise and log.

        The arguments are those of `Algorithm.train`. Training stops early if the KL exceeds `kl.limit`.

        Raises:
            BadFeedback: `prompts` is empty.
        """
        if not prompts:
            raise BadFeedback("no prompt to train on; ingest feedback or configure a source that samples prompts")
        learner = self._start(policy, reward, checkpoints, seed)
        while learner.iteration < self.steps:
            started = perf_counter()
            # 1. rollout
            indices = draw(len(prompts), self.episodes, learner.iteration, seed)
            rollout = sample(policy, [prompts[i] for i in indices], self.sampling, limit, learner.generator)
            learner.tokens += int(rollout.batch.response.sum())
            rollout_end = perf_counter()
            # 2. score
            scored = self._score(learner, reference, reward, rollout)
            metrics = self._describe(learner, rollout, scored)
            if learner.controller.stops(metrics[POLICY_OBJECTIVE_KL]):
                log({**metrics, POLICY_OBJECTIVE_KL_STOP: 1.0}, learner.iteration, self.steps)
                break
            score_end = perf_counter()
            # 3. advantages
            experience = self._advantages(learner.controller.coefficient, rollout, scored)
            # 4. optimise
            metrics |= self._optimise(learner, experience)
            learner.controller.update(metrics[POLICY_OBJECTIVE_KL], self.episodes)
            # 5. log
            seconds: dict[str, float] = {
                POLICY_TIME_ROLLOUT: rollout_end - started,
                POLICY_TIME_SCORE: score_end - rollout_end,
                POLICY_TIME_TRAIN: perf_counter() - score_end,
            }
            log({**metrics, **_speed(rollout, seconds)}, learner.iteration, self.steps)
            learner.iteration += 1
            # no checkpoint after the last iteration: a resumed run then always has an iteration left to run and report
            if checkpoints and learner.iteration % self.checkpoint_every == 0 and learner.iteration < self.steps:
                checkpoints.save(learner.state_dict())
        return policy

    def _start(self, policy: Policy, reward: Score, checkpoints: Checkpoints | None, seed: int) -> Learner:
        """A new training state, or that of the interrupted run."""
        critic = reward.critic() if isinstance(reward, RewardModel) else Critic.from_policy(policy)
        policy.model.eval()  # no dropout: the ratio must compare two policies, not two dropout masks
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
        scores = reward(batch).float()  # (B,)
        if self.unended_score is not None:
            scores = torch.where(rollout.ended, scores, self.unended_score)
        kl = k1(rollout.logprobs, map_minibatches(self._logprobs(reference), batch, self.minibatch))  # (B, T)
        values = map_minibatches(learner.critic.values, batch, self.minibatch)
        return ScoredRollout(scores, masked(kl, batch.response), values)

    def _logprobs(self, policy: Policy) -> Callable[[Batch], Tensor]:
        return lambda batch: response_logprobs(policy.model, batch, self.sampling.temperature)

    def _describe(self, learner: Learner, rollout: Rollout, scored: ScoredRollout) -> Metrics:
        """Metrics of the rollout, computed before the update."""
        batch = rollout.batch
        metrics: Metrics = {
            POLICY_OBJECTIVE_KL: masked_sum(scored.kl, batch.response).mean().item(),
            POLICY_OBJECTIVE_KL_COEFFICIENT: learner.controller.coefficient,
            POLICY_OBJECTIVE_SCORE: scored.scores.mean().item(),
            POLICY_OBJECTIVE_SCORE_STD: scored.scores.std(correction=0).item(),
            # -log p of sampled tokens is an unbiased estimate of the entropy and needs no (B, T, V) tensor
            POLICY_OBJECTIVE_ENTROPY: -masked_mean(rollout.logprobs, batch.response).item(),
            POLICY_ANSWER_TOKENS: batch.response.sum(dim=1).float().mean().item(),
            POLICY_ANSWER_SAMPLED: learner.tokens,
            POLICY_ANSWER_ENDED: rollout.ended.float().mean().item(),
        }
        if learner.iteration == 0:  # the old log-probabilities come from the sampler: check once against a forward pass
            recomputed = map_minibatches(self._logprobs(learner.policy), batch, self.minibatch)
            metrics[POLICY_ROLLOUT_MISMATCH] = (recomputed - rollout.logprobs).abs().max().item()
        return metrics

    def _advantages(self, coefficient: float, rollout: Rollout, scored: ScoredRollout) -> Experience:
        mask = rollout.batch.response
        rewards = token_rewards(scored.scores, scored.kl, mask, coefficient)
        advantages, returns = gae(rewards, scored.values, mask, self.gamma, self.lam)
        return Experience(rollout.batch, rollout.logprobs, scored.values, masked_whiten(advantages, mask), returns)

    def _optimise(self, learner: Learner, experience: Experience) -> Metrics:
        """`epochs` passes over the minibatches. The metrics are means over all minibatches, weighted by token."""
        mask = experience.batch.response
        totals: dict[str, Tensor] = {}
        updates = 0
        for _ in range(self.epochs):
            minibatches = split(experience.batch, self.minibatch, learner.generator)
            # one denominator for all minibatches, so that every token has the same weight, whatever its answer's length
            tokens = mask.sum() / len(minibatches)
            for index in minibatches:
                for name, value in self._update(learner, experience, index, tokens).items():
                    totals[name] = totals.get(name, torch.zeros_like(value)) + value
                updates += 1
        means = {name: (total / updates).item() for name, total in totals.items()}
        explained = explained_variance(experience.values, experience.returns, mask).item()
        return {**means, POLICY_VALUE_EXPLAINED_VARIANCE: explained}

    def _update(self, learner: Learner, experience: Experience, index: list[int], tokens: Tensor) -> dict[str, Tensor]:
        """One gradient step each for policy and critic. `tokens` is the mean number of answer tokens per minibatch."""
        batch = select_rows(experience.batch, index)
        logprobs, values, advantages, returns = (tensor[index, : batch.ids.shape[1]] for tensor in experience[1:])

        def mean(per_token: Tensor) -> Tensor:
            return masked(per_token, batch.response).sum() / tokens

        warm_up = min(1.0, (learner.iteration + 1) / (self.warm_up + 1))  # factor of both learning rates
        new = self._logprobs(learner.policy)(batch)
        surrogate = policy_loss(new, logprobs, advantages, self.clip, self.dual_clip)
        policy_rate, critic_rate = warm_up * self.learning_rate, warm_up * self.critic_learning_rate
        norm = descend(mean(surrogate.loss), learner.policy_optimiser, policy_rate, self.gradient_clip)
        critic_loss = mean(value_loss(learner.critic.values(batch), values, returns, self.value_clip))
        critic_norm = descend(critic_loss, learner.critic_optimiser, critic_rate, self.gradient_clip)
        return {
            POLICY_LOSS: mean(surrogate.loss).detach(),
            POLICY_APPROX_KL: mean(surrogate.kl),
            POLICY_CLIP_FRACTION: mean(surrogate.clipped.float()),
            POLICY_GRAD_NORM: norm,
            POLICY_VALUE_LOSS: critic_loss.detach(),
            POLICY_VALUE_GRAD_NORM: critic_norm,
        }


def _speed(rollout: Rollout, seconds: dict[str, float]) -> Metrics:
    """Seconds per phase, and answer tokens per second over all phases."""
    tokens = int(rollout.batch.response.sum())
    return {**seconds, POLICY_TIME_TOKENS_PER_SECOND: tokens / sum(seconds.values())}
