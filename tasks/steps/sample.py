"""sample: candidate and champion answer held-out prompts; both models that judge score them, and pairs are drawn."""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import pyarrow as pa
from pydantic import Field

from core.knobs import BaseSettings
from evaluation.evals import CANDIDATE, CHAMPION, Answers
from feedback import pairs as waiting
from feedback.schema import GroupedPrompt, Message
from models.answering import answer
from models.measured import SAMPLE_PROMPTS, SAMPLE_TOKENS
from models.policy import ModelSettings, Policy
from models.reward import RewardModel
from models.rollout import SamplingSettings
from tasks.people import ballots
from tasks.state import tables
from tasks.state.reports import Numbers, StepReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import table


class SampleSettings(BaseSettings):
    """What candidate and champion are compared on."""

    prompts: int = Field(1024, ge=1)
    """Held-out prompts that both answer; fewer where there are not as many."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature of their answers."""


class Scorers(NamedTuple):
    """The two models that score answers; they learned from disjoint pairs."""

    reward: RewardModel
    judge: RewardModel


def sample(round: Round, log: StepLog) -> None:
    """Write the answers of both, and side by side on sides drawn at random what voters are shown."""
    workspace = round.workspace
    asked = _asked(round, round.knobs("sample", SampleSettings).prompts)
    scorers = Scorers(RewardModel.load(workspace.checkpoint("reward")), RewardModel.load(workspace.checkpoint("judge")))
    with log.learning():
        candidate = _answers(round, CANDIDATE, Policy.load(workspace.checkpoint("policy")), asked, scorers, log)
        champion = _answers(round, CHAMPION, Policy.load(workspace.champion), asked, scorers, log)
    drawn = ballots.draw(round, asked, candidate.texts, champion.texts)
    waiting.write(workspace.pairs, [one.pair for one in drawn if one])
    _write_samples(round, asked, candidate, champion, [one.left if one else None for one in drawn])
    numbers: Numbers = {SAMPLE_PROMPTS: len(asked), SAMPLE_TOKENS: int(candidate.tokens.sum() + champion.tokens.sum())}
    log(numbers, 0, 1)
    StepReport(metrics=numbers).save(workspace.report("sample"))


def _asked(round: Round, count: int) -> list[GroupedPrompt]:
    """A sample of the held-out prompts, by seed."""
    rows = tables.rows(table(round.workspace.prompts, "holdout"))
    # the name of the seed is older than this step: the same round asks the same prompts as ever
    Random(round.seed_for("evaluate")).shuffle(rows)
    return [
        GroupedPrompt(row["prompt_id"], row["group"], tuple(Message(**turn) for turn in row["prompt"]))
        for row in rows[:count]
    ]


def _answers(
    round: Round, who: str, policy: Policy, asked: Sequence[GroupedPrompt], scorers: Scorers, log: StepLog
) -> Answers:
    """One model's answers, with both scores and the KL to the SFT policy."""
    sampling = SamplingSettings(temperature=round.knobs("sample", SampleSettings).temperature)
    reference = Policy.load(round.workspace.checkpoint("sft"))
    turns = [[turn.model_dump() for turn in prompt.prompt] for prompt in asked]
    given = answer(policy, turns, sampling, round.knobs("model", ModelSettings), round.seed_for(who), reference, log)
    reward, judge = (scorer.score(turns, given.texts).double().cpu().numpy() for scorer in scorers)
    return Answers(given.texts, given.tokens, given.ended, reward, judge, given.kl)


def _write_samples(
    round: Round,
    asked: Sequence[GroupedPrompt],
    candidate: Answers,
    champion: Answers,
    left: Sequence[str | None],
) -> None:
    columns: dict[str, Any] = {
        "prompt_id": [prompt.prompt_id for prompt in asked],
        "prompt": [prompt.prompt[-1].content for prompt in asked],
        "group": [prompt.group for prompt in asked],
        "left": pa.array(left, pa.string()),  # who stood there, where the pair could be shown
    }
    for who, given in ((CANDIDATE, candidate), (CHAMPION, champion)):
        columns |= {f"{who}_{name}": column for name, column in given._asdict().items()}
    tables.write(round.workspace.sampled, pa.table(columns))
