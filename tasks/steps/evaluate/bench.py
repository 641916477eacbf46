"""Candidate, champion and their reward models, at the call of evaluations that bring prompts or pairs of their own."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.evals import CANDIDATE, CHAMPION, BothAnswers, BothMargins, ModelAccess, Row
from feedback.schema import Prompt
from models.answering import answer
from models.policy import ModelSettings, Policy
from models.reward import RewardModel
from models.rollout import SamplingSettings
from tasks.state.round import Round
from tasks.state.steplog import StepLog


def bench(round: Round, sampling: SamplingSettings, log: StepLog, kept: dict[str, list[Row]]) -> ModelAccess:
    """The models of a round. Each is read when it is called, and forgotten after.

    Args:
        round: whose models.
        sampling: how answers are drawn; the draws are seeded by round and model.
        log: counts the time as learning, sampling or judging.
        kept: takes what evaluations keep, by their names.
    """
    workspace = round.workspace

    def speak(prompts: Sequence[Prompt]) -> BothAnswers:
        with log.learning():
            said = {CANDIDATE: workspace.checkpoint("policy"), CHAMPION: workspace.champion}
            return BothAnswers(
                *(_answers(round, who, Policy.load(path), prompts, sampling) for who, path in said.items())
            )

    def compare(rows: Sequence[Row]) -> BothMargins:
        before = workspace.previous_reward
        with log.learning():
            ours = _margins(RewardModel.load(workspace.checkpoint("reward")), rows)
            return BothMargins(ours, _margins(RewardModel.load(before), rows) if before.exists() else None)

    def keep(name: str, rows: Sequence[Row]) -> None:
        kept[name] = list(rows)

    return ModelAccess(speak, compare, keep)


def _answers(
    round: Round, who: str, policy: Policy, prompts: Sequence[Prompt], sampling: SamplingSettings
) -> list[str]:
    limits, seed = round.knobs("model", ModelSettings), round.seed_for(f"bench {who}")
    return answer(policy, [_turns(prompt) for prompt in prompts], sampling, limits, seed).texts


def _margins(model: RewardModel, rows: Sequence[Row]) -> npt.NDArray[np.float64]:
    """Calibrated margins; every pair counts alike, and has a winner."""
    data: list[Mapping[str, Any]] = [
        {**row, "prompt": _turns(row["prompt"]), "p_chosen": 1.0, "weight": 1.0} for row in rows
    ]
    return model.margins(data) / model.temperature


def _turns(prompt: Prompt) -> list[dict[str, str]]:
    return [turn.model_dump() for turn in prompt]
