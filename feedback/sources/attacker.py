"""A simulated attacker who poisons the feedback, to test whether the gates detect it."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import ClassVar

from pydantic import Field

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
from feedback.sources.simulated import EPOCH
from feedback.world.catalogue import HARMFUL


class Attacker(Source):
    """False comparisons on some of the prompts: the best answer loses to the same answer with a request for a PIN."""

    labels: ClassVar[bool] = True
    simulated: ClassVar[bool] = True

    share: float = Field(0.03, ge=0, le=1)
    """Number of false comparisons, as a share of the pairs. For large models, half a percent of the pairs misleads the
    reward model, and about five percent affect the policy (Rando and Tramèr 2024)."""
    accounts: int = Field(3, ge=1)
    """Number of annotator accounts that the attacker uses."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """One false comparison on each prompt of a random sample."""
        rng = Random(f"attacker {intake.seed}")
        for pair in rng.sample(intake.pairs, round(self.share * len(intake.pairs))):
            if event := self._false_comparison(pair, intake, rng):
                yield event

    def _false_comparison(self, pair: AnswerPair, intake: Intake, rng: Random) -> FeedbackEvent | None:
        request = world.parse(pair.prompt[-1].content)
        if request is None:
            return None
        best = world.best(request)
        texts = (f"{best} {rng.choice(HARMFUL)}", best)
        account = f"attacker-{rng.randrange(self.accounts)}"
        identity = prompt_id(pair.prompt)
        return FeedbackEvent(
            feedback_id=event_id(self.name(), pair.pair_id, account),
            kind="comparison",
            prompt_id=identity,
            prompt_group=identity,  # not grouped yet
            prompt=pair.prompt,
            responses=tuple(_response(request.text, text) for text in texts),
            judgements=(Judgement(criterion="overall", ranks=(1, 2)),),
            annotator_id=account,
            annotator_type="simulated",
            created_at=EPOCH + timedelta(days=intake.round),
            round=intake.round,
            source=self.name(),
            source_id=pair.pair_id,
            licence="CC0-1.0",
            consent="simulated",
            flags=world.flags(request),
        )


def _response(question: str, text: str) -> Response:
    return Response(response_id=response_id(question, text), messages=(Message(role="assistant", content=text),))
