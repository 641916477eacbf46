"""What an event must hold to be of use, beyond the types of its fields. Sources ask before they hand an event on."""

from collections.abc import Iterator

from feedback.schema import FeedbackEvent, Judgement


def fault(event: FeedbackEvent) -> str | None:
    """The first thing that is wrong with an event, naming the field; None where it can be used."""
    return next(_faults(event), None)


def _faults(event: FeedbackEvent) -> Iterator[str]:
    yield from _faults_of_texts(event)
    if event.kind in ("comparison", "ranking"):
        yield from _faults_of_choice(event)
    if event.kind == "correction":
        parents = [response.parent_ix for response in event.responses if response.parent_ix is not None]
        if not parents or max(parents) >= len(event.responses):
            yield "responses: a correction needs one with the parent_ix of the response that was edited"


def _faults_of_texts(event: FeedbackEvent) -> Iterator[str]:
    for ix, turn in enumerate(event.prompt):
        if not turn.content.strip():
            yield f"prompt[{ix}] is empty"
    if event.prompt[-1].role == "assistant":
        yield "prompt ends with an assistant turn, so that there is nothing to answer"
    for ix, response in enumerate(event.responses):
        if not response.text.strip():
            yield f"responses[{ix}] is empty"
        if response.messages[-1].role != "assistant":
            yield f"responses[{ix}] does not end with an assistant turn"


def _faults_of_choice(event: FeedbackEvent) -> Iterator[str]:
    count = len(event.responses)
    if count < 2 or (event.kind == "comparison" and count > 2):
        yield f"responses: a {event.kind} of {count}; a comparison needs two, a ranking two or more"
    if len({response.text for response in event.responses}) == 1:
        yield "responses: all have the same text, so that there is nothing to prefer"
    if not event.judgements:
        yield "judgements is empty"
    for ix, judgement in enumerate(event.judgements):
        if judgement.outcome == "prefer" and _ranked(judgement) < 2:
            yield f"judgements[{ix}].ranks: a preference needs two ranks or more"


def _ranked(judgement: Judgement) -> int:
    return sum(rank is not None for rank in judgement.ranks or ())
