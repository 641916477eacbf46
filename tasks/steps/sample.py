"""sample: candidate and champion answer held-out prompts; reward model and judge score them; pairs are blinded."""

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from core.settings import BaseSettings
from evaluation.evals import CANDIDATE, CHAMPION, Answers
from feedback import pairs as pair_files
from feedback.schema import GroupedPrompt, Message
from models.answering import GeneratedAnswers, answer, divergence
from models.loading import Loader
from models.measured import SAMPLE_CUT_PROMPTS, SAMPLE_PROMPTS, SAMPLE_TOKENS
from models.policy import ModelSettings, Policy
from models.rollout import Sampler, SamplingSettings
from models.tokens import Turn
from tasks.people import ballots
from tasks.state import loading, sampling, tables
from tasks.state.reports import Numbers, SampledReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import table


class SampleSettings(BaseSettings):
    """Which prompts candidate and champion are compared on."""

    prompts: int = Field(1024, ge=1)
    """Maximum number of held-out prompts that both answer."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature of their answers."""
    batch: int = Field(128, ge=1)
    """Answers sampled together, here and in the step `evaluate`: fewer need less memory, and change results by rounding
    only."""

    @property
    def sampling(self) -> SamplingSettings:
        """How answers are sampled."""
        return SamplingSettings(temperature=self.temperature, batch=self.batch)


def sample(round: Round, log: StepLog) -> None:
    """Write the answers of both models, and the blinded pairs for voters: which answer is on the left is random."""
    workspace, loader = round.workspace, loading.of_round(round)
    knobs = round.knobs("sample", SampleSettings)
    prompts = _held_out_prompts(round, knobs.prompts)
    folders = {CANDIDATE: workspace.checkpoint("policy"), CHAMPION: workspace.champion}
    with log.learning():
        # one model at a time is in memory (with adapters, one base): first both policies, then those that score
        with sampling.of_step(round, "sample", knobs.batch) as source:
            generated = [
                _generate(round, who, loader.policy(folder), prompts, log, source.sample)
                for who, folder in folders.items()
            ]
        candidate, champion = _scored(round, loader, generated, prompts)
    blinded = ballots.draw(round, prompts, candidate.texts, champion.texts)
    pair_files.write(workspace.pairs, [side.pair for side in blinded if side])
    _write_samples(round, prompts, candidate, champion, [side.left if side else None for side in blinded])
    numbers: Numbers = {
        SAMPLE_PROMPTS: len(prompts),
        SAMPLE_CUT_PROMPTS: generated[0].cut_prompts,
        SAMPLE_TOKENS: int(candidate.tokens.sum() + champion.tokens.sum()),
    }
    log(numbers, 0, 1)
    SampledReport(metrics=numbers, sampler=source.name()).save(workspace.report("sample"))


def _held_out_prompts(round: Round, count: int) -> list[GroupedPrompt]:
    """Up to `count` held-out prompts, drawn at random."""
    rows = tables.rows(table(round.workspace.prompts, "holdout"))
    # "evaluate", not "sample": the seed predates this step, and another would change the prompts of a replayed round
    Random(round.seed_for("evaluate")).shuffle(rows)
    return [
        GroupedPrompt(row["prompt_id"], row["group"], tuple(Message(**turn) for turn in row["prompt"]))
        for row in rows[:count]
    ]


def _turns(prompts: Sequence[GroupedPrompt]) -> list[list[Turn]]:
    return [[{"role": turn.role, "content": turn.content} for turn in prompt.prompt] for prompt in prompts]


def _generate(
    round: Round, who: str, policy: Policy, prompts: Sequence[GroupedPrompt], log: StepLog, sampler: Sampler
) -> GeneratedAnswers:
    """One policy's answers."""
    sampling, limits = round.knobs("sample", SampleSettings).sampling, round.knobs("model", ModelSettings)
    return answer(policy, _turns(prompts), sampling, limits, round.seed_for(who), log, sampler)


def _scored(
    round: Round, loader: Loader, generated: Sequence[GeneratedAnswers], prompts: Sequence[GroupedPrompt]
) -> list[Answers]:
    """The answers of each policy with the scores of reward model and judge, and the KL to the SFT policy."""
    reward, judge = (_scores(round, loader, name, generated, prompts) for name in ("reward", "judge"))
    columns = zip(generated, reward, judge, _divergences(round, loader, generated), strict=True)
    return [Answers(each.texts, each.tokens, each.ended, *numbers) for each, *numbers in columns]


def _scores(
    round: Round, loader: Loader, name: str, generated: Sequence[GeneratedAnswers], prompts: Sequence[GroupedPrompt]
) -> list[npt.NDArray[np.float64]]:
    """The scores of the answers of each policy."""
    scorer, turns = loader.reward_model(round.workspace.checkpoint(name)), _turns(prompts)
    return [scorer.score(turns, each.texts).double().cpu().numpy() for each in generated]


def _divergences(round: Round, loader: Loader, generated: Sequence[GeneratedAnswers]) -> list[npt.NDArray[np.float64]]:
    """The log-ratio to the SFT policy of the answers of each policy."""
    reference = loader.policy(round.workspace.checkpoint("sft"))
    temperature = round.knobs("sample", SampleSettings).temperature
    return [divergence(each.rollout, temperature, reference) for each in generated]


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
