"""sample: candidate and champion answer held-out prompts; reward model and judge score them; pairs are blinded."""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import pyarrow as pa
from pydantic import Field

from core.settings import BaseSettings
from evaluation.evals import CANDIDATE, CHAMPION, Answers
from feedback import pairs as pair_files
from feedback.schema import GroupedPrompt, Message
from models.answering import answer
from models.measured import SAMPLE_CUT_PROMPTS, SAMPLE_PROMPTS, SAMPLE_TOKENS
from models.policy import ModelSettings, Policy
from models.reward import RewardModel
from models.rollout import SamplingSettings
from models.tokens import Turn, encode_prompts
from models.truncation import cut_share
from tasks.people import ballots
from tasks.state import loading, tables
from tasks.state.reports import Numbers, StepReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import table


class SampleSettings(BaseSettings):
    """Which prompts candidate and champion are compared on."""

    prompts: int = Field(1024, ge=1)
    """Maximum number of held-out prompts that both answer."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature of their answers."""


class Scorers(NamedTuple):
    """The two models that score answers; they are trained on disjoint pairs."""

    reward: RewardModel
    judge: RewardModel


def sample(round: Round, log: StepLog) -> None:
    """Write the answers of both models, and the blinded pairs for voters: which answer is on the left is random."""
    workspace = round.workspace
    prompts = _held_out_prompts(round, round.knobs("sample", SampleSettings).prompts)
    loader = loading.of_round(round)
    scorers = Scorers(*(loader.reward_model(workspace.checkpoint(name)) for name in ("reward", "judge")))
    reference = loader.policy(workspace.checkpoint("sft"))
    with log.learning():
        policy = loader.policy(workspace.checkpoint("policy"))
        candidate = _answers(round, CANDIDATE, policy, reference, prompts, scorers, log)
        champion = _answers(round, CHAMPION, loader.policy(workspace.champion), reference, prompts, scorers, log)
    blinded = ballots.draw(round, prompts, candidate.texts, champion.texts)
    pair_files.write(workspace.pairs, [side.pair for side in blinded if side])
    _write_samples(round, prompts, candidate, champion, [side.left if side else None for side in blinded])
    numbers: Numbers = {
        SAMPLE_PROMPTS: len(prompts),
        SAMPLE_CUT_PROMPTS: _cut(round, policy, prompts),
        SAMPLE_TOKENS: int(candidate.tokens.sum() + champion.tokens.sum()),
    }
    log(numbers, 0, 1)
    StepReport(metrics=numbers).save(workspace.report("sample"))


def _held_out_prompts(round: Round, count: int) -> list[GroupedPrompt]:
    """Up to `count` held-out prompts, drawn at random."""
    rows = tables.rows(table(round.workspace.prompts, "holdout"))
    # "evaluate", not "sample": the seed predates this step, and another would change the prompts of a replayed round
    Random(round.seed_for("evaluate")).shuffle(rows)
    return [
        GroupedPrompt(row["prompt_id"], row["group"], tuple(Message(**turn) for turn in row["prompt"]))
        for row in rows[:count]
    ]


def _cut(round: Round, policy: Policy, prompts: Sequence[GroupedPrompt]) -> float:
    """Share of the prompts that lose their beginning."""
    limit = round.knobs("model", ModelSettings).max_prompt_tokens
    return cut_share(encode_prompts(policy.tokenizer, _turns(prompts), limit))


def _turns(prompts: Sequence[GroupedPrompt]) -> list[list[Turn]]:
    return [[{"role": turn.role, "content": turn.content} for turn in prompt.prompt] for prompt in prompts]


def _answers(
    round: Round,
    who: str,
    policy: Policy,
    reference: Policy,
    prompts: Sequence[GroupedPrompt],
    scorers: Scorers,
    log: StepLog,
) -> Answers:
    """One model's answers, with both scores and the KL to the SFT policy."""
    sampling = SamplingSettings(temperature=round.knobs("sample", SampleSettings).temperature)
    turns = _turns(prompts)
    answers = answer(policy, turns, sampling, round.knobs("model", ModelSettings), round.seed_for(who), reference, log)
    reward, judge = (scorer.score(turns, answers.texts).double().cpu().numpy() for scorer in scorers)
    return Answers(answers.texts, answers.tokens, answers.ended, reward, judge, answers.kl)


def _write_samples(
    round: Round,
    prompts: Sequence[GroupedPrompt],
    candidate: Answers,
    champion: Answers,
    left: Sequence[str | None],
) -> None:
    columns: dict[str, Any] = {
        "prompt_id": [prompt.prompt_id for prompt in prompts],
        "prompt": [prompt.prompt[-1].content for prompt in prompts],
        "group": [prompt.group for prompt in prompts],
        "left": pa.array(left, pa.string()),  # whose answer is on the left; null if the pair is not shown
    }
    for who, answers in ((CANDIDATE, candidate), (CHAMPION, champion)):
        columns |= {f"{who}_{name}": column for name, column in answers._asdict().items()}
    tables.write(round.workspace.sampled, pa.table(columns))
