"""evaluate: candidate and champion answer held-out prompts; fresh votes, judge and reward model say which is better."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, SerializeAsAny

from core.files import write_json
from core.knobs import Knobs
from core.plugins import used, used_by_name, with_defaults
from feedback.schema import GroupedPrompt, Message
from feedback.sources import Source
from feedback.sources.simulated import Simulated
from models.answering import answer
from models.calibration import calibration
from models.policy import Model, Policy
from models.reward import RewardModel
from models.rollout import Sampling
from tasks import ballots, tables
from tasks.baseline import words
from tasks.bench import bench
from tasks.evals import CANDIDATE, CHAMPION, Answers, Evaluation, Holdout, Metrics, Pairs, Row
from tasks.round import Round
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
            "tasks.evals",
            *("votes", "slices", "safety", "judge", "reward_model", "answers", "diversity", "refusals", "true_utility"),
            *("adversarial", "red_team"),
        )
    )
    """Evaluations by name, with their knobs; `null` leaves one out."""


class Scorers(NamedTuple):
    """The two models that score answers; they learned from disjoint pairs."""

    reward: RewardModel
    judge: RewardModel


@step()
def evaluate(round: Round, log: StepLog) -> None:
    """Compare the candidate with the champion on held-out prompts and pairs, blinded where people vote."""
    knobs, place = round.knobs("evaluate", Evaluate), round.workspace
    asked = _asked(round, knobs.prompts)
    scorers = Scorers(RewardModel.load(place.checkpoint("reward")), RewardModel.load(place.checkpoint("judge")))
    with log.learning():
        candidate = _answers(round, CANDIDATE, Policy.load(place.checkpoint("policy")), asked, scorers, log)
        champion = _answers(round, CHAMPION, Policy.load(place.champion), asked, scorers, log)
        votes = ballots.cast(round, knobs.annotator, asked, candidate.texts, champion.texts)
        pairs = _pairs(round, scorers)
    kept: dict[str, list[Row]] = {}
    held_out = Holdout(
        prompts=[prompt.prompt for prompt in asked],
        groups=[prompt.group for prompt in asked],
        votes=votes,
        pairs=pairs,
        flags=_flags(round, asked),
        judge_scale=scorers.judge.std / scorers.judge.temperature,
        bench=bench(round, Sampling(temperature=knobs.temperature), log, kept),
    )
    numbers: Metrics = {"prompts": len(asked), "tokens": int(candidate.tokens.sum() + champion.tokens.sum())}
    for evaluation in knobs.evals.values():
        numbers |= evaluation.run(candidate, champion, held_out)
    numbers |= _ceiling(round, knobs)
    log(numbers, 0, 1)
    _write_samples(round, asked, candidate, champion)
    report = {
        "metrics": numbers,
        "examples": _examples(asked, candidate, champion),
        "calibration": _reliability(pairs),
    }
    write_json(place.report("probes"), kept)
    write_json(place.report("evaluate"), report)


def _asked(round: Round, count: int) -> list[GroupedPrompt]:
    """A sample of the held-out prompts, by seed."""
    rows = tables.rows(round.workspace.prompts / "holdout.arrow")
    Random(round.seed_for("evaluate")).shuffle(rows)
    return [
        GroupedPrompt(row["prompt_id"], row["group"], tuple(Message(**turn) for turn in row["prompt"]))
        for row in rows[:count]
    ]


def _flags(round: Round, asked: Sequence[GroupedPrompt]) -> list[list[str]]:
    """What sets each prompt apart from others."""
    rows = tables.rows(round.workspace.prompts / "holdout.arrow")
    known = {row["prompt_id"]: row["flags"] for row in rows}
    return [known[prompt.prompt_id] for prompt in asked]


def _answers(
    round: Round, who: str, policy: Policy, asked: Sequence[GroupedPrompt], scorers: Scorers, log: StepLog
) -> Answers:
    """One model's answers, with both scores and the KL to the SFT policy."""
    sampling = Sampling(temperature=round.knobs("evaluate", Evaluate).temperature)
    reference = Policy.load(round.workspace.checkpoint("sft"))
    turns = [[turn.model_dump() for turn in prompt.prompt] for prompt in asked]
    given = answer(policy, turns, sampling, round.knobs("model", Model), round.seed_for(who), reference, log)
    reward, judge = (scorer.score(turns, given.texts).double().cpu().numpy() for scorer in scorers)
    return Answers(given.texts, given.tokens, given.ended, reward, judge, given.kl)


def _pairs(round: Round, scorers: Scorers) -> Pairs:
    """Held-out preferences, with what both models and the words say of them."""
    rows = tables.rows(round.workspace.preferences / "holdout.arrow")
    return Pairs(
        chosen=[row["chosen"] for row in rows],
        rejected=[row["rejected"] for row in rows],
        p_chosen=np.array([row["p_chosen"] for row in rows]),
        groups=[row["group"] for row in rows],
        margins=scorers.reward.margins(rows) / scorers.reward.temperature,
        judge_margins=scorers.judge.margins(rows) / scorers.judge.temperature,
        words=words(tables.rows(round.workspace.preferences / "train.arrow"), rows),
        champion_margins=_champion_margins(round, rows),
    )


def _champion_margins(round: Round, rows: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float64] | None:
    """What the reward model of the champion's round says of the same pairs; None where it learned from none."""
    place = round.workspace.previous / "reward"
    if not place.exists():
        return None
    model = RewardModel.load(place)
    return model.margins(rows) / model.temperature


def _ceiling(round: Round, knobs: Evaluate) -> Metrics:
    """The best accuracy that any model can have on the held-out votes, where the annotator's noise is known."""
    rows = tables.rows(round.workspace.preferences / "holdout.arrow")
    known = knobs.annotator.ceiling(rows) if knobs.annotator else None
    return {} if known is None else {"reward_ceiling": known}


def _write_samples(round: Round, asked: Sequence[GroupedPrompt], candidate: Answers, champion: Answers) -> None:
    columns: dict[str, Any] = {
        "prompt": [prompt.prompt[-1].content for prompt in asked],
        "group": [prompt.group for prompt in asked],
    }
    for who, given in ((CANDIDATE, candidate), (CHAMPION, champion)):
        columns |= {f"{who}_{name}": getattr(given, name) for name in ("texts", "tokens", "reward", "judge", "kl")}
    tables.write(round.workspace.samples / "samples.arrow", pa.table(columns))


def _examples(asked: Sequence[GroupedPrompt], candidate: Answers, champion: Answers) -> list[dict[str, str]]:
    return [
        {"prompt": prompt.prompt[-1].content, "before": champion.texts[index], "after": candidate.texts[index]}
        for index, prompt in enumerate(asked[:EXAMPLES])
    ]


def _reliability(pairs: Pairs) -> dict[str, list[float]]:
    """The reliability diagram of the reward model, as plain lists."""
    return {name: column.tolist() for name, column in calibration(pairs.margins, pairs.p_chosen).bins._asdict().items()}
