"""The simulated annotator: an annotator of the demo world whose utility and whose noise are known."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from feedback import world
from feedback.schema import (
    FeedbackEvent,
    Judgement,
    Message,
    RejectedRecord,
    Response,
    event_id,
    prompt_id,
    response_id,
)
from feedback.sources import AnswerPair, Intake, Source
from feedback.world.probes import WorldProbes

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
"""The day of round 0 by the simulated calendar; each round is a day later."""


class Simulated(Source):
    """Demonstrations for round 0, and a vote on every pair, from the demo world."""

    labels: ClassVar[bool] = True

    demonstrations: int = Field(10_000, ge=0)
    """How many demonstrations round 0 starts from."""
    temperature: float = Field(0.7, gt=0)
    """Noise of the votes: P(a over b) = sigmoid(difference in utility / temperature)."""
    flip: float = Field(0.0, ge=0, le=0.5)
    """Share of the votes that are turned round, whatever the difference."""
    criteria: bool = True
    """Judge each criterion too, each with noise of its own."""
    intents: tuple[str, ...] = ()
    """What its customers ask about, such as `refund`; empty for everything there is."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """Round 0's demonstrations, and one vote on each pair; a pair whose prompt is not of this world is rejected."""
        if intake.round == 0:
            yield from self._demonstrations(intake)
        for pair in intake.pairs:
            yield self._vote(pair, intake)

    def prompts(self, count: int, seed: int) -> list[tuple[Message, ...]]:
        """Up to `count` distinct questions of the world's customers."""
        return [world.render(request) for request in world.prompts(count, seed, self.intents)]

    def probes(self) -> WorldProbes:
        """The world's own."""
        return WorldProbes()

    def probability(self, difference: float) -> float:
        """P(the first is preferred) at a difference in utility: Bradley-Terry (1952), turned round at rate `flip`."""
        preferred = 0.5 * (1.0 + math.tanh(difference / self.temperature / 2))  # = sigmoid, without overflow
        return preferred + self.flip * (1.0 - 2.0 * preferred)

    def ceiling(self, pairs: Sequence[Mapping[str, Any]]) -> float | None:
        """The accuracy of the true utility on these votes: the best that any model can reach, in expectation.

        The mean of max(p, 1 - p) over the pairs that are not ties; None where there are none of this world.
        """
        worths = [_worth(pair["prompt"][-1]["content"], pair["chosen"], pair["rejected"]) for pair in pairs]
        differences = [sum(worth.values()) for worth in worths if worth is not None]
        chances = [self.probability(difference) for difference in differences if not _equal(difference)]
        return sum(max(p, 1 - p) for p in chances) / len(chances) if chances else None

    def _demonstrations(self, intake: Intake) -> Iterator[FeedbackEvent]:
        rng = Random(f"demonstrations {intake.seed}")
        for request in world.prompts(self.demonstrations, intake.seed, self.intents):
            text = world.demonstrate(request, rng)
            answer = Message(role="assistant", content=text)
            response = Response(response_id=response_id(request.text, text), messages=(answer,))
            yield self._event(intake, "demonstration", request.text, world.render(request), (response,))

    def _vote(
        self, pair: AnswerPair, intake: Intake, annotator: str = "simulated", sign: int = 1
    ) -> FeedbackEvent | RejectedRecord:
        """One annotator's vote; a `sign` of -1 turns what it wants round."""
        first, second = (response.text for response in pair.responses)
        parts = _worth(pair.prompt[-1].content, first, second)
        if parts is None:
            reason = "the prompt is not of the demo world, so that the simulated annotator cannot judge its answers"
            record = json.dumps(TypeAdapter(AnswerPair).dump_python(pair, mode="json"), ensure_ascii=False)
            return RejectedRecord(source=self.name(), where=pair.pair_id, reason=reason, record=record)
        # of the pair and annotator alone: order does not matter
        rng = Random(f"votes {intake.seed} {intake.round} {pair.pair_id}" + annotator.removeprefix("simulated"))
        asked = {"overall": sum(parts.values())} | (parts if self.criteria else {})
        judgements = tuple(self._judgement(name, sign * difference, rng) for name, difference in asked.items())
        return self._event(intake, "comparison", pair.pair_id, pair.prompt, pair.responses, judgements, annotator)

    def _judgement(self, criterion: str, difference: float, rng: Random) -> Judgement:
        first = rng.random() < self.probability(difference)  # drawn for ties too: no vote depends on another's parts
        if _equal(difference):
            return Judgement(criterion=criterion, outcome="tie", ranks=(1, 1))
        return Judgement(criterion=criterion, ranks=(1, 2) if first else (2, 1))

    def _event(
        self,
        intake: Intake,
        kind: Literal["demonstration", "comparison"],
        native_id: str,
        prompt: tuple[Message, ...],
        responses: tuple[Response, ...],
        judgements: tuple[Judgement, ...] = (),
        annotator: str = "simulated",
    ) -> FeedbackEvent:
        source_id = f"{kind} {intake.seed} {native_id}"
        identity, request = prompt_id(prompt), world.parse(prompt[-1].content)
        return FeedbackEvent(
            feedback_id=event_id(self.name(), source_id, annotator),
            kind=kind,
            prompt_id=identity,
            prompt_group=identity,  # not grouped yet
            prompt=prompt,
            responses=responses,
            shown_order=tuple(range(len(responses))),
            judgements=judgements,
            annotator_id=annotator,
            annotator_type="simulated",
            annotator_version=f"temperature {self.temperature}, flip {self.flip}",
            created_at=EPOCH + timedelta(days=intake.round),
            round=intake.round,
            source=self.name(),
            source_id=source_id,
            licence="CC0-1.0",
            consent="simulated",
            flags=world.flags(request) if request else (),
        )


def _worth(question: str, first: str, second: str) -> dict[str, float] | None:
    """Criterion → what the first answer is worth above the second; None where the question is not of this world."""
    request = world.parse(question)
    if request is None:
        return None
    ours, theirs = world.criteria(request, first), world.criteria(request, second)
    return {criterion: ours[criterion] - theirs[criterion] for criterion in ours}


def _equal(difference: float) -> bool:
    return abs(difference) < 1e-9  # tenths do not add up exactly
