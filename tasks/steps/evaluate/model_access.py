"""Access to candidate, champion and their reward models, for evaluations with prompts or pairs of their own."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.evals import CANDIDATE, CHAMPION, BothAnswers, BothMargins, ModelAccess, Row
from feedback.schema import Prompt
from models.answering import answer
from models.loading import Loader
from models.policy import ModelSettings, Policy
from models.reward import RewardModel
from models.rollout import Sampler, SamplingSettings, sample
from tasks.state.round import Round
from tasks.state.steplog import StepLog


def model_access(
    round: Round,
    loader: Loader,
    sampling: SamplingSettings,
    log: StepLog,
    probe_tables: dict[str, list[Row]],
    sampler: Sampler = sample,
) -> ModelAccess:
    """Access to the models of a round. A model is loaded for each call, and not kept in memory.

    Args:
        round: the round whose models are used.
        loader: loads its models.
        sampling: how answers are sampled; the seed depends on round and model.
        log: adds the time of each call to its learning time.
        probe_tables: filled with the rows that evaluations store, by name.
        sampler: samples the answers.
    """
    workspace = round.workspace

    def answers(prompts: Sequence[Prompt]) -> BothAnswers:
        with log.learning():
            models = {CANDIDATE: workspace.checkpoint("policy"), CHAMPION: workspace.champion}
            return BothAnswers(
                *(_answers(round, who, loader.policy(path), prompts, sampling, sampler) for who, path in models.items())
            )

    def margins(rows: Sequence[Row]) -> BothMargins:
        before = workspace.previous_reward
        with log.learning():
            now = _margins(loader.reward_model(workspace.checkpoint("reward")), rows)
            return BothMargins(now, _margins(loader.reward_model(before), rows) if before.exists() else None)

    def keep(name: str, rows: Sequence[Row]) -> None:
        probe_tables[name] = list(rows)

    return ModelAccess(answers, margins, keep)


def _answers(
    round: Round, who: str, policy: Policy, prompts: Sequence[Prompt], sampling: SamplingSettings, sampler: Sampler
) -> list[str]:
    limits, seed = round.knobs("model", ModelSettings), round.seed_for(f"bench {who}")
    return answer(policy, [_turns(prompt) for prompt in prompts], sampling, limits, seed, sampler=sampler).texts


def _margins(model: RewardModel, rows: Sequence[Row]) -> npt.NDArray[np.float64]:
    """Calibrated margins; all pairs have the same weight, and none is a tie."""
    data: list[Mapping[str, Any]] = [
        {**row, "prompt": _turns(row["prompt"]), "p_chosen": 1.0, "weight": 1.0} for row in rows
    ]
    return model.margins(data) / model.temperature


def _turns(prompt: Prompt) -> list[dict[str, str]]:
    return [turn.model_dump() for turn in prompt]
