"""Scores from a server over HTTP: a rule, a grader, or a model that judges. docs/rewards.md has the protocol."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from models import ranks
from models.engines import Score
from models.reward_server import RewardServer, RewardServerSettings, ScoredText
from models.rewards import RewardFunction, ScoringContext
from models.tokens import Batch, decode_answer


class HttpReward(RewardServerSettings, RewardFunction):
    """A server scores each answer; beside it the reward model, where that has a weight."""

    weight: float = Field(1.0, gt=0)
    """Factor of its scores: PPO's defaults are for scores with a standard deviation of about 1."""
    model_weight: float = Field(0.0, ge=0)
    """Factor of the reward model's scores, which are added; 0 leaves the reward model out of training."""

    def frozen(self) -> "HttpReward":
        """With what the server states now.

        Raises:
            NoReward: it does not answer.
        """
        if self.states is not None:
            return self
        with closing(RewardServer(self)) as server:
            return self.model_copy(update={"states": server.statement()})

    def as_frozen(self, recorded: Mapping[str, Any]) -> "HttpReward":
        """With what the server stated when the round opened, unless it is set."""
        stated = recorded.get("states") if recorded.get("url") == self.url else None
        return self if self.states is not None or stated is None else self.model_copy(update={"states": stated})

    @contextmanager
    def scoring(self, context: ScoringContext) -> Iterator[Score]:
        """The server, checked once more; the first rank asks it."""
        if ranks.current().first:
            self.check()
        with closing(RewardServer(self)) as server:
            yield _Scores(self, server, context)


class _Scores:
    """The scores of batches, the same on every rank; implements `Score`."""

    def __init__(self, knobs: HttpReward, server: RewardServer, context: ScoringContext) -> None:
        self._knobs, self._server, self._context = knobs, server, context
        self._model = context.model() if knobs.model_weight else None

    def __call__(self, batch: Batch) -> Tensor:
        """One score per text: (B,) float32."""
        scores = torch.zeros(len(batch.ids), dtype=torch.float32)
        if ranks.current().first:
            scores += torch.tensor(self._server.scores(self._texts(batch)), dtype=torch.float32)
        ranks.add_up([scores])  # of one rank and zeros: every rank has what the first was told
        scores = self._knobs.weight * scores.to(batch.ids.device)
        return scores if self._model is None else scores + self._knobs.model_weight * self._model(batch).to(scores)

    def _texts(self, batch: Batch) -> list[ScoredText]:
        context, found = self._context, []
        for ids, mask, response in zip(*(tensor.tolist() for tensor in batch), strict=True):
            prompt = tuple(token for token, real, own in zip(ids, mask, response, strict=True) if real and not own)
            answer = [token for token, own in zip(ids, response, strict=True) if own]
            text, ended = decode_answer(context.tokenizer, answer), bool(answer) and answer[-1] in context.end_ids
            found.append(ScoredText(context.prompts[prompt], text, ended))
        return found
