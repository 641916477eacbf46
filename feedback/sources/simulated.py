"""The simulated annotator of the demo world: its utility function and its noise are known."""

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
"""The simulated date of round 0; each round is one day later."""


class Simulated(Source):
    """Demonstrations for round 0 and one vote on every pair, from the demo world."""

    labels: ClassVar[bool] = True
    simulated: ClassVar[bool] = True

    demonstrations: int = Field(10_000, ge=0)
    """Number of demonstrations in round 0."""
    temperature: float = Field(0.7, gt=0)
    """Noise of the votes: P(a over b) = sigmoid(difference in utility / temperature)."""
    flip: float = Field(0.0, ge=0, le=0.5)
    """Probability that a vote is reversed, whatever the difference in utility."""
    criteria: bool = True
    """Also vote under each criterion, with independent noise."""
    intents: tuple[str, ...] = ()
    """Intents that customers ask about, such as `refund`; empty for all."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """Demonstrations in round 0, and one vote on each pair. A pair with a prompt from elsewhere is rejected."""
        if intake.round == 0:
            yield from self._demonstrations(intake)
        for pair in intake.pairs:
            yield self._vote(pair, intake)

    def prompts(self, count: int, seed: int) -> list[tuple[Message, ...]]:
        """Up to `count` distinct customer questions of the demo world."""
        return [world.render(request) for request in world.prompts(count, seed, self.intents)]

    def probes(self) -> WorldProbes:
        """The world's own."""
        return WorldProbes()

    def probability(self, difference: float) -> float:
        """P(first preferred) at a difference in utility (first minus second): Bradley-Terry (1952), then `flip`."""
        preferred = 0.5 * (1.0 + math.tanh(difference / self.temperature / 2))  # = sigmoid, without overflow
        return preferred + self.flip * (1.0 - 2.0 * preferred)

    def ceiling(self, pairs: Sequence[Mapping[str, Any]]) -> float | None:
        """The expected accuracy of the true utility on these votes; no model can have a higher one.

        The mean of max(p, 1 - p) over the pairs of different utility; None if no such pair is from the demo world.
        """
        by_pair = [_differences(pair["prompt"][-1]["content"], pair["chosen"], pair["rejected"]) for pair in pairs]
        differences = [sum(by_criterion.values()) for by_criterion in by_pair if by_criterion is not None]
        probabilities = [self.probability(difference) for difference in differences if not _equal(difference)]
        return sum(max(p, 1 - p) for p in probabilities) / len(probabilities) if probabilities else None

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
        """One annotator's vote; with a `sign` of -1 the annotator prefers the worse answer."""
        first, second = (response.text for response in pair.responses)
        differences = _differences(pair.prompt[-1].content, first, second)
        if differences is None:
            reason = "the prompt is not from the demo world, so the simulated annotator cannot judge its answers"
            record = json.dumps(TypeAdapter(AnswerPair).dump_python(pair, mode="json"), ensure_ascii=False)
            return RejectedRecord(source=self.name(), where=pair.pair_id, reason=reason, record=record)
        # seeded by pair and annotator, so the order of the pairs does not matter
        rng = Random(f"votes {intake.seed} {intake.round} {pair.pair_id}" + annotator.removeprefix("simulated"))
        judged = {"overall": sum(differences.values())} | (differences if self.criteria else {})
        judgements = tuple(self._judgement(name, sign * difference, rng) for name, difference in judged.items())
        return self._event(intake, "comparison", pair.pair_id, pair.prompt, pair.responses, judgements, annotator)

    def _judgement(self, criterion: str, difference: float, rng: Random) -> Judgement:
        # a number is drawn for ties too, so a judgement does not depend on whether another one is a tie
        first = rng.random() < self.probability(difference)
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


def _differences(question: str, first: str, second: str) -> dict[str, float] | None:
    """Criterion → utility of the first answer minus that of the second; None if the question is from elsewhere."""
    request = world.parse(question)
    if request is None:
        return None
    of_first, of_second = world.criteria(request, first), world.criteria(request, second)
    return {criterion: of_first[criterion] - of_second[criterion] for criterion in of_first}


def _equal(difference: float) -> bool:
    return abs(difference) < 1e-9  # sums of tenths are not exact in floating point
