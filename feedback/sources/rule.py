"""A rule in place of annotators: it compares answers by a known utility over their text."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializeAsAny

from core.plugins import used
from feedback import everyday
from feedback.probes import user_prompt
from feedback.rule_probes import RuleProbes
from feedback.rules import TIE, Rule
from feedback.rules.readable import Readable
from feedback.schema import FeedbackEvent, Judgement, Message, Prompt, Response, event_id, prompt_id, response_id
from feedback.sources import AnswerPair, Intake, Source
from feedback.sources.simulated import EPOCH


class RuleVotes(Source):
    """The judgements of a rule (feedback/rules/) on every pair, without noise; also prompts and demonstrations."""

    labels: ClassVar[bool] = True
    simulated: ClassVar[bool] = True
    votes_of: ClassVar[str] = "rule"

    rule: Annotated[SerializeAsAny[Rule], used("feedback.rules", default="readable")] = Readable()
    """The rule that judges the answers."""
    criteria: bool = True
    """Also judge under each component of the rule."""
    everyday: bool = True
    """Offer the shipped everyday prompts; `false` collects answers to prompts of earlier feedback."""
    demonstrations: int = Field(150, ge=0)
    """Number of the shipped everyday demonstrations in round 0, at most 150; 0 if another source has demonstrations."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent]:
        """Demonstrations in round 0, and one judgement of each pair."""
        if intake.round == 0:
            yield from self._demonstrations(intake)
        for pair in intake.pairs:
            yield self._vote(pair, intake)

    def prompts(self, count: int, seed: int) -> list[Prompt]:
        """Up to `count` everyday prompts; none if `everyday` is false."""
        return [prompt.prompt for prompt in everyday.prompts(count, seed)] if self.everyday else []

    def probes(self) -> RuleProbes:
        """The utility of answers; a rule has no traps and no red-team prompts."""
        return RuleProbes(self.rule)

    def ceiling(self, pairs: Sequence[Mapping[str, Any]]) -> float | None:
        """1, since the votes have no noise; None if there is no pair of different utility."""
        differences = (
            self.rule.utility(_turns(pair["prompt"]), pair["chosen"])
            - self.rule.utility(_turns(pair["prompt"]), pair["rejected"])
            for pair in pairs
        )
        return 1.0 if any(abs(difference) > TIE for difference in differences) else None

    def _demonstrations(self, intake: Intake) -> Iterator[FeedbackEvent]:
        for shown in everyday.demonstrations()[: self.demonstrations]:
            answer = Message(role="assistant", content=shown.answer)
            response = Response(response_id=response_id(shown.prompt, shown.answer), messages=(answer,))
            yield self._event(intake, "demonstration", shown.prompt, user_prompt(shown.prompt), (response,))

    def _vote(self, pair: AnswerPair, intake: Intake) -> FeedbackEvent:
        parts = [self.rule.contributions(pair.prompt, response.text) for response in pair.responses]
        differences = {name: parts[0][name] - parts[1][name] for name in parts[0]}
        judged = {"overall": sum(parts[0].values()) - sum(parts[1].values())} | (differences if self.criteria else {})
        judgements = tuple(_judgement(name, difference) for name, difference in judged.items())
        return self._event(intake, "comparison", pair.pair_id, pair.prompt, pair.responses, judgements)

    def _event(
        self,
        intake: Intake,
        kind: Literal["demonstration", "comparison"],
        native_id: str,
        prompt: Prompt,
        responses: tuple[Response, ...],
        judgements: tuple[Judgement, ...] = (),
    ) -> FeedbackEvent:
        source_id, identity = f"{kind} {intake.seed} {native_id}", prompt_id(prompt)
        return FeedbackEvent(
            feedback_id=event_id(self.name(), source_id, self.rule.name()),
            kind=kind,
            prompt_id=identity,
            prompt_group=everyday.group(prompt) or identity,  # other prompts are not grouped yet
            prompt=prompt,
            responses=responses,
            shown_order=tuple(range(len(responses))),
            judgements=judgements,
            annotator_id=f"rule {self.rule.name()}",
            annotator_type="rule",
            created_at=EPOCH + timedelta(days=intake.round),
            round=intake.round,
            source=self.name(),
            source_id=source_id,
            licence="CC0-1.0",
            consent="public",
        )


def _judgement(criterion: str, difference: float) -> Judgement:
    if abs(difference) <= TIE:
        return Judgement(criterion=criterion, outcome="tie", ranks=(1, 1))
    return Judgement(criterion=criterion, ranks=(1, 2) if difference > 0 else (2, 1))


def _turns(prompt: Sequence[Mapping[str, Any]]) -> Prompt:
    return tuple(Message(role=turn["role"], content=turn["content"]) for turn in prompt)
