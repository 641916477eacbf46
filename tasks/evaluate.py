"""evaluate: candidate and champion answer held-out prompts; fresh votes, judge and reward model say which is better."""

from collections.abc import Sequence
from random import Random
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field, SerializeAsAny

from core.files import write_json
from core.knobs import Knobs
from core.plugins import used, used_by_name, with_defaults
from feedback import groups, store
from feedback.schema import FeedbackEvent, GroupedPrompt, Message, Response
from feedback.sources import Intake, Pair, Source
from feedback.sources.simulated import Simulated
from models.answering import Answered, answer
from models.calibration import calibration
from models.policy import Model, Policy
from models.reward import RewardModel
from models.rollout import Sampling
from tasks import tables
from tasks.baseline import words
from tasks.evals import CANDIDATE, CHAMPION, Answers, Evaluation, Holdout, Metrics, Pairs
from tasks.round import Round, seeded
from tasks.step import step
from tasks.steplog import StepLog

EXAMPLES = 3
"""Prompts shown with the answers before and after."""


class Evaluate(Knobs):
    """What candidate and champion are compared on, and by whom."""

    prompts: int = Field(512, ge=1)
    """Held-out prompts that both answer; fewer where there are not as many."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature of their answers."""
    annotator: Annotated[SerializeAsAny[Source] | None, used("feedback.sources")] = Simulated()
    """Who gives the fresh votes; `null`: nobody, and the verdict is hold."""
    evals: Annotated[dict[str, SerializeAsAny[Evaluation]], used_by_name("tasks.evals")] = Field(
        default_factory=lambda: with_defaults(
            "tasks.evals", "votes", "judge", "reward_model", "answers", "true_utility"
        )
    )
    """Evaluations by name, with their knobs; `null` leaves one out."""


@step()
def evaluate(round: Round, log: StepLog) -> None:
    """Compare the candidate with the champion on held-out prompts and pairs, blinded where people vote."""
    knobs = round.knobs("evaluate", Evaluate)
    prompts = _prompts(round, knobs.prompts)
    with log.learning():
        candidate, champion = _both(round, prompts, knobs, log)
        votes = _votes(round, prompts, candidate, champion, knobs)
        pairs = _pairs(round)
    held_out = Holdout([row["prompt"] for row in prompts], [row["group"] for row in prompts], votes, pairs)
    numbers: Metrics = {"prompts": len(prompts)}
    for evaluation in knobs.evals.values():
        numbers |= evaluation.run(candidate, champion, held_out)
    numbers |= _ceiling(round, knobs)
    log(numbers, 0, 1)
    _write_samples(round, prompts, candidate, champion)
    report = {
        "metrics": numbers,
        "examples": _examples(prompts, candidate, champion),
        "calibration": _reliability(pairs),
    }
    write_json(round.workspace.report("evaluate"), report)


def _prompts(round: Round, count: int) -> list[dict[str, Any]]:
    """A sample of the held-out prompts, by seed; messages as records."""
    rows = tables.rows(round.workspace.prompts / "holdout.parquet")
    Random(round.seed_for("evaluate")).shuffle(rows)
    return [{**row, "prompt": tuple(Message(**turn) for turn in row["prompt"])} for row in rows[:count]]


def _both(round: Round, prompts: Sequence[dict[str, Any]], knobs: Evaluate, log: StepLog) -> tuple[Answers, Answers]:
    place, limits = round.workspace, round.knobs("model", Model)
    sampling = Sampling(temperature=knobs.temperature)
    reference = Policy.load(place.checkpoint("sft"))
    reward, judge = (RewardModel.load(place.checkpoint(name)) for name in ("reward", "judge"))
    turns = [[turn.model_dump() for turn in row["prompt"]] for row in prompts]

    def answers(name: str, policy: Policy) -> Answers:
        given: Answered = answer(policy, turns, sampling, limits, round.seed_for(name), reference, log)
        scores = [model.score(turns, given.texts).double().cpu().numpy() for model in (reward, judge)]
        return Answers(given.texts, given.tokens, given.ended, scores[0], scores[1], given.kl)

    candidate = answers(CANDIDATE, Policy.load(place.checkpoint("policy")))
    return candidate, answers(CHAMPION, Policy.load(place.champion))


def _votes(
    round: Round, prompts: Sequence[dict[str, Any]], candidate: Answers, champion: Answers, knobs: Evaluate
) -> list[FeedbackEvent]:
    """Fresh votes on blinded pairs, kept for good in a store of their own."""
    if knobs.annotator is None:
        return []
    pairs = [
        _blinded(round, index, row["prompt"], candidate.texts[index], champion.texts[index])
        for index, row in enumerate(prompts)
        if candidate.texts[index].strip() and champion.texts[index].strip()
    ]
    records = list(knobs.annotator.read(Intake(max(round.number, 1), round.seed_for("votes"), pairs)))
    votes = groups.regroup(
        [record for record in records if isinstance(record, FeedbackEvent)],
        [GroupedPrompt(row["prompt_id"], row["group"], row["prompt"]) for row in prompts],
    )
    store.append(round.workspace.votes, votes, round.number)
    return votes


def _blinded(round: Round, index: int, prompt: tuple[Message, ...], candidate: str, champion: str) -> Pair:
    """Both answers on sides drawn at random; who wrote which is not in what an annotator is shown."""
    pair_id = f"votes-{round.number}-{index:05d}"
    sides = [(CANDIDATE, candidate), (CHAMPION, champion)]
    Random(seeded(round.seed, pair_id)).shuffle(sides)
    left, right = (
        Response(
            response_id=f"{pair_id}-{side}",
            messages=(Message(role="assistant", content=text),),
            origin="model",
            model="policy",
            model_version=who,
        )
        for side, (who, text) in zip("ab", sides, strict=True)
    )
    return Pair(pair_id, prompt, (left, right))


def _pairs(round: Round) -> Pairs:
    """Held-out preferences, with what both models and the words say of them."""
    place = round.workspace
    rows = tables.rows(place.preferences / "holdout.parquet")
    reward, judge = (RewardModel.load(place.checkpoint(name)) for name in ("reward", "judge"))
    return Pairs(
        chosen=[row["chosen"] for row in rows],
        rejected=[row["rejected"] for row in rows],
        p_chosen=np.array([row["p_chosen"] for row in rows]),
        groups=[row["group"] for row in rows],
        margins=reward.margins(rows) / reward.temperature,
        judge_margins=judge.margins(rows) / judge.temperature,
        words=words(tables.rows(place.preferences / "train.parquet"), rows),
    )


def _ceiling(round: Round, knobs: Evaluate) -> Metrics:
    """The best accuracy that any model can have on the held-out votes, where the annotator's noise is known."""
    rows = tables.rows(round.workspace.preferences / "holdout.parquet")
    known = knobs.annotator.ceiling(rows) if knobs.annotator else None
    return {} if known is None else {"reward_ceiling": known}


def _write_samples(round: Round, prompts: Sequence[dict[str, Any]], candidate: Answers, champion: Answers) -> None:
    columns: dict[str, Any] = {"prompt": [row["prompt"][-1].content for row in prompts]}
    for who, given in ((CANDIDATE, candidate), (CHAMPION, champion)):
        columns |= {f"{who}_{name}": getattr(given, name) for name in ("texts", "tokens", "reward", "judge", "kl")}
    tables.write(round.workspace.samples / "samples.parquet", pa.table(columns))


def _examples(prompts: Sequence[dict[str, Any]], candidate: Answers, champion: Answers) -> list[dict[str, str]]:
    return [
        {
            "prompt": row["prompt"][-1].content,
            "before": champion.texts[index],
            "after": candidate.texts[index],
        }
        for index, row in enumerate(prompts[:EXAMPLES])
    ]


def _reliability(pairs: Pairs) -> dict[str, list[float]]:
    """The reliability diagram of the reward model, as plain lists."""
    return {name: column.tolist() for name, column in calibration(pairs.margins, pairs.p_chosen).bins._asdict().items()}
