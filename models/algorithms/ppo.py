"""Proximal policy optimisation (PPO) against a reward model, with the settings that RLHF practice has converged on.

Differences from PPO as published (Schulman et al. 2017): the reward includes a per-token KL penalty against a reference
policy (Ziegler et al. 2019), the critic is a separate network initialised from the reward model, and an answer without
EOS gets a fixed low score. Each setting documents its choice; docs/metrics.md defines the metrics.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from core.errors import BadFeedback
from core.log import Log, ignore
from models.advantage import explained_variance, gae, k1, masked, masked_mean, masked_sum, masked_whiten, token_rewards
from models.algorithms import Algorithm
from models.checkpoints import Checkpoints
from models.engines import Engine, Loss, Objective, Step, Update
from models.kl import KLController, KLSettings
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
    POLICY_ROLLOUT_MISMATCH_MEAN,
    POLICY_TIME_ROLLOUT,
    POLICY_TIME_SCORE,
    POLICY_TIME_TOKENS_PER_SECOND,
    POLICY_TIME_TRAIN,
    POLICY_VALUE_EXPLAINED_VARIANCE,
    POLICY_VALUE_GRAD_NORM,
    POLICY_VALUE_LOSS,
)
from models.minibatches import split
from models.progress import Progress, draw
from models.rollout import Rollout, SamplingSettings
from models.seeding import generator
from models.tokens import Batch

Metrics = dict[str, float]
Updated = dict[str, Tensor]


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
    weights: Tensor
    """Truncated importance weights; 1 if the sampler's log-probabilities are those of the trainer."""

    def rows(self, index: list[int], width: int) -> "Experience":
        """The first `width` columns of these rows."""
        batch = Batch(*(tensor[index, :width] for tensor in self.batch))
        return Experience(batch, *(tensor[index, :width] for tensor in self[1:]))


class PPO(Algorithm):
    """PPO with a critic. The defaults were validated on the embedded help-desk world."""

    steps: int = Field(10, ge=1)
    """Iterations, each a rollout followed by updates."""
    episodes: int = Field(128, ge=2)
    """Answers sampled per iteration."""
    minibatch: int = Field(64, ge=1)
    """Answers per gradient step."""
    epochs: int = Field(2, ge=1)
    """Epochs over the answers of each iteration."""
    learning_rate: float = Field(5e-4, gt=0)
    """Learning rate of the policy (Adam)."""
    critic: Literal["separate", "shared"] = "separate"
    """`separate`: a network of its own that starts from the reward model; `shared`: a head on the policy's network,
    with less memory and time, which cannot start from the reward model."""
    critic_learning_rate: float = Field(5e-4, gt=0)
    """Learning rate of a separate critic (Adam)."""
    value_coefficient: float = Field(0.1, gt=0)
    """Weight of the value loss beside the policy loss with a shared critic."""
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
    max_importance: float = Field(2.0, ge=1)
    """Truncated importance sampling (Yao et al. 2025): the loss of a token is multiplied by its probability in training
    divided by that in sampling, which is at most this. The two differ in bfloat16 and TF32, and where a server
    samples."""
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
        engine: Engine,
        prompts: Sequence[Sequence[int]],
        limit: int,
        checkpoints: Checkpoints | None = None,
        log: Log = ignore,
        seed: int = 0,
    ) -> None:
        """Train the engine's policy for `steps` iterations of rollout, score, advantages, optimise and log.

        The arguments are those of `Algorithm.train`. Training stops early if the KL exceeds `kl.limit`.

        Raises:
            BadFeedback: `prompts` is empty.
        """
        if not prompts:
            raise BadFeedback("no prompt to train on; ingest feedback or configure a source that samples prompts")
        progress = self._start(engine, checkpoints, seed)
        while progress.iteration < self.steps:
            started = perf_counter()
            # 1. rollout
            indices = draw(len(prompts), self.episodes, progress.iteration, seed)
            rollout = engine.sample([prompts[i] for i in indices], self.sampling, limit, progress.generator)
            rollout, mismatch, ratio = engine.verified(rollout, self.sampling.temperature, progress.iteration, seed)
            progress.tokens += int(rollout.batch.response.sum())
            rollout_end = perf_counter()
            # 2. score
            scored = self._score(engine, rollout)
            differences = {POLICY_ROLLOUT_MISMATCH: mismatch.max, POLICY_ROLLOUT_MISMATCH_MEAN: mismatch.mean}
            metrics = self._describe(progress, rollout, scored) | differences
            if progress.controller.stops(metrics[POLICY_OBJECTIVE_KL]):
                log({**metrics, POLICY_OBJECTIVE_KL_STOP: 1.0}, progress.iteration, self.steps)
                break
            score_end = perf_counter()
            # 3. advantages
            experience = self._advantages(progress.controller.coefficient, rollout, scored, ratio)
            # 4. optimise
            metrics |= self._optimise(engine, progress, experience)
            progress.controller.update(metrics[POLICY_OBJECTIVE_KL], self.episodes)
            # 5. log
            seconds: dict[str, float] = {
                POLICY_TIME_ROLLOUT: rollout_end - started,
                POLICY_TIME_SCORE: score_end - rollout_end,
                POLICY_TIME_TRAIN: perf_counter() - score_end,
            }
            log({**metrics, **_speed(rollout, seconds)}, progress.iteration, self.steps)
            progress.iteration += 1
            # no checkpoint after the last iteration: a resumed run then always has an iteration left to run and report
            if checkpoints and progress.iteration % self.checkpoint_every == 0 and progress.iteration < self.steps:
                checkpoints.save({"engine": engine.state_dict(), "progress": progress.state_dict()})

    def _start(self, engine: Engine, checkpoints: Checkpoints | None, seed: int) -> Progress:
        """The beginning of a run, or where it was interrupted."""
        engine.add_critic(shared=self.critic == "shared")
        progress = Progress(KLController(self.kl), generator(seed))
        if checkpoints and (state := checkpoints.load({"engine": engine.layout()})):
            engine.load_state_dict(state["engine"])
            progress.load_state_dict(state["progress"])
        return progress

    def _score(self, engine: Engine, rollout: Rollout) -> ScoredRollout:
        batch = rollout.batch
        scores = engine.scores(batch)  # (B,)
        if self.unended_score is not None:
            scores = torch.where(rollout.ended, scores, self.unended_score)
        kl = k1(rollout.logprobs, engine.reference_logprobs(batch, self.sampling.temperature))  # (B, T)
        return ScoredRollout(scores, masked(kl, batch.response), engine.values(batch))

    def _describe(self, progress: Progress, rollout: Rollout, scored: ScoredRollout) -> Metrics:
        """Metrics of the rollout, computed before the update."""
        batch = rollout.batch
        return {
            POLICY_OBJECTIVE_KL: masked_sum(scored.kl, batch.response).mean().item(),
            POLICY_OBJECTIVE_KL_COEFFICIENT: progress.controller.coefficient,
            POLICY_OBJECTIVE_SCORE: scored.scores.mean().item(),
            POLICY_OBJECTIVE_SCORE_STD: scored.scores.std(correction=0).item(),
            # -log p of sampled tokens is an unbiased estimate of the entropy and needs no (B, T, V) tensor
            POLICY_OBJECTIVE_ENTROPY: -masked_mean(rollout.logprobs, batch.response).item(),
            POLICY_ANSWER_TOKENS: batch.response.sum(dim=1).float().mean().item(),
            POLICY_ANSWER_SAMPLED: progress.tokens,
            POLICY_ANSWER_ENDED: rollout.ended.float().mean().item(),
        }

    def _advantages(self, coefficient: float, rollout: Rollout, scored: ScoredRollout, ratio: Tensor) -> Experience:
        mask = rollout.batch.response
        rewards = token_rewards(scored.scores, scored.kl, mask, coefficient)
        advantages, returns = gae(rewards, scored.values, mask, self.gamma, self.lam)
        weights, whitened = ratio.clamp(max=self.max_importance), masked_whiten(advantages, mask)
        return Experience(rollout.batch, rollout.logprobs, scored.values, whitened, returns, weights)

    def _optimise(self, engine: Engine, progress: Progress, experience: Experience) -> Metrics:
        """`epochs` passes over the minibatches. The metrics are means over all minibatches, weighted by token."""
        mask = experience.batch.response
        totals: Updated = {}
        updates = 0
        for _ in range(self.epochs):
            minibatches = split(experience.batch, self.minibatch, progress.generator)
            # one denominator for all minibatches, so that every token has the same weight, whatever its answer's length
            tokens = mask.sum() / len(minibatches)
            for rows in minibatches:
                for name, value in self._update(engine, progress, experience, rows, tokens).items():
                    totals[name] = totals.get(name, torch.zeros_like(value)) + value
                updates += 1
        means = {name: (total / updates).item() for name, total in totals.items()}
        explained = explained_variance(experience.values, experience.returns, mask).item()
        return {**means, POLICY_VALUE_EXPLAINED_VARIANCE: explained}

    def _update(
        self, engine: Engine, progress: Progress, experience: Experience, rows: list[int], tokens: Tensor
    ) -> Updated:
        """One gradient step each for policy and critic. `tokens` is the mean number of answer tokens per minibatch."""
        batch, temperature = experience.batch, self.sampling.temperature
        objectives = self._policy_objective(experience, tokens), self._value_objective(experience, tokens)
        warm_up = min(1.0, (progress.iteration + 1) / (self.warm_up + 1))  # factor of both learning rates
        step = Step(warm_up * self.learning_rate, self.gradient_clip)
        if self.critic == "shared":
            both = engine.update_both(batch, rows, temperature, objectives, step)
            return {**both.metrics, POLICY_GRAD_NORM: both.norm}
        policy = engine.update_policy(batch, rows, temperature, objectives[0], step)
        critic: Update = engine.update_critic(
            batch, rows, objectives[1], Step(warm_up * self.critic_learning_rate, self.gradient_clip)
        )
        norms: Updated = {POLICY_GRAD_NORM: policy.norm, POLICY_VALUE_GRAD_NORM: critic.norm}
        return {**policy.metrics, **critic.metrics, **norms}

    def _policy_objective(self, experience: Experience, tokens: Tensor) -> Objective:
        def loss(new: Tensor, index: list[int]) -> Loss:
            old = experience.rows(index, new.shape[1])
            surrogate = policy_loss(new, old.logprobs, old.advantages, self.clip, self.dual_clip)

            def mean(per_token: Tensor) -> Tensor:
                return masked(per_token, old.batch.response).sum() / tokens

            value = mean(old.weights * surrogate.loss)
            metrics: Updated = {
                POLICY_LOSS: value.detach(),
                POLICY_APPROX_KL: mean(surrogate.kl),
                POLICY_CLIP_FRACTION: mean(surrogate.clipped.float()),
            }
            return Loss(value, metrics)

        return loss

    def _value_objective(self, experience: Experience, tokens: Tensor) -> Objective:
        coefficient = self.value_coefficient if self.critic == "shared" else 1.0

        def loss(new: Tensor, index: list[int]) -> Loss:
            old = experience.rows(index, new.shape[1])
            per_token = value_loss(new, old.values, old.returns, self.value_clip)
            value = masked(per_token, old.batch.response).sum() / tokens
            return Loss(coefficient * value, {POLICY_VALUE_LOSS: value.detach()})

        return loss


def _speed(rollout: Rollout, seconds: dict[str, float]) -> Metrics:
    """Seconds per phase, and answer tokens per second over all phases."""
    tokens = int(rollout.batch.response.sum())
    return {**seconds, POLICY_TIME_TOKENS_PER_SECOND: tokens / sum(seconds.values())}
