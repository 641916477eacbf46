"""Answers, held-out pairs and fresh votes of two models, small enough for calculations by hand."""

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np

from evaluation.evals import CANDIDATE, CHAMPION, Answers, Holdout, HoldoutPairs
from feedback.schema import FeedbackEvent, Judgement, Message, Outcome, Response, prompt_id


def answers(texts: list[str], judge: list[float] | None = None, reward: list[float] | None = None) -> Answers:
    rows = len(texts)
    return Answers(
        texts=texts,
        tokens=np.array([len(text.split()) for text in texts]),
        ended=np.ones(rows, dtype=np.bool_),
        reward=np.array(reward or [0.0] * rows),
        judge=np.array(judge or [0.0] * rows),
        kl=np.arange(rows, dtype=np.float64),
    )


def pairs(p_chosen: list[float], margins: list[float], lengths: list[int] | None = None) -> HoldoutPairs:
    """Pairs whose chosen answer is `lengths` characters longer (negative: shorter)."""
    rows, longer = len(p_chosen), lengths or [0] * len(p_chosen)
    return HoldoutPairs(
        chosen=["x" * (50 + more) for more in longer],
        rejected=["x" * 50] * rows,
        p_chosen=np.array(p_chosen),
        groups=[str(row) for row in range(rows)],
        margins=np.array(margins),
        judge_margins=np.array(margins),
        words=np.full(rows, 0.6),
    )


def holdout(
    rows: int = 0,
    votes: list[FeedbackEvent] | None = None,
    held_out: HoldoutPairs | None = None,
    prompts: list[str] | None = None,
    flags: Sequence[Collection[str]] = (),
) -> Holdout:
    texts = prompts or [f"prompt {row}" for row in range(rows)]
    return Holdout(
        prompts=[(Message(role="user", content=text),) for text in texts],
        groups=[str(row) for row in range(len(texts))],
        votes=votes or [],
        pairs=held_out or pairs([], []),
        flags=flags,
    )


def vote(
    group: str,
    candidate: int | None,
    champion: int | None,
    outcome: Outcome = "prefer",
    criterion: str = "overall",
    flipped: bool = False,
    annotator: Literal["human", "ai", "rule", "simulated"] = "human",
    versions: tuple[str, str] = (CANDIDATE, CHAMPION),
    **fields: Any,
) -> FeedbackEvent:
    """One vote by ranks on the prompt whose text is its group; `flipped` puts the champion's answer first."""
    order = slice(None, None, -1) if flipped else slice(None)
    responses = [
        Response(response_id=version, messages=(Message(role="assistant", content=version),), model_version=version)
        for version in versions
    ]
    judgement = Judgement(criterion=criterion, outcome=outcome, ranks=(candidate, champion)[order])
    prompt = (Message(role="user", content=group),)
    event = FeedbackEvent(
        feedback_id=f"{group}-{candidate}-{flipped}",
        kind="comparison",
        prompt_id=prompt_id(prompt),
        prompt_group=group,
        prompt=prompt,
        responses=tuple(responses[order]),
        judgements=(judgement,),
        annotator_type=annotator,
        source="test",
        source_id=group,
    )
    return event.model_copy(update=fields)


NOBODY = answers([])
