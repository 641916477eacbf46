"""Fresh votes: candidate against champion on held-out prompts, blinded, by whoever annotates."""

from collections.abc import Sequence
from random import Random

from feedback import groups, store
from feedback.schema import FeedbackEvent, GroupedPrompt, Message, Response
from feedback.sources import Intake, Pair, Source
from tasks.evals import CANDIDATE, CHAMPION
from tasks.round import Round, seeded


def cast(
    round: Round,
    annotator: Source | None,
    asked: Sequence[GroupedPrompt],
    candidate: Sequence[str],
    champion: Sequence[str],
) -> list[FeedbackEvent]:
    """Have each pair of answers judged, and keep the votes for good in a store of their own; no annotator, no votes."""
    round.workspace.votes.mkdir(exist_ok=True)
    if annotator is None:
        return []
    pairs = [
        blinded(round, index, prompt, candidate[index], champion[index])
        for index, prompt in enumerate(asked)
        # nobody can be shown an empty answer
        if candidate[index].strip() and champion[index].strip()
    ]
    records = annotator.read(Intake(round.number, round.seed_for("votes"), pairs))
    votes = groups.regroup([record for record in records if isinstance(record, FeedbackEvent)], asked)
    store.append(round.workspace.votes, votes, round.number)
    return votes


def blinded(round: Round, index: int, asked: GroupedPrompt, candidate: str, champion: str) -> Pair:
    """Both answers on sides drawn at random; who wrote which is not among the things an annotator is shown."""
    pair_id = f"votes-{round.number}-{index:05d}"
    sides = [(CANDIDATE, candidate), (CHAMPION, champion)]
    Random(seeded(round.seed, pair_id)).shuffle(sides)
    left, right = (_response(f"{pair_id}-{side}", who, text) for side, (who, text) in zip("ab", sides, strict=True))
    return Pair(pair_id, asked.prompt, (left, right))


def _response(response_id: str, who: str, text: str) -> Response:
    turn = Message(role="assistant", content=text)
    return Response(response_id=response_id, messages=(turn,), origin="model", model="policy", model_version=who)
