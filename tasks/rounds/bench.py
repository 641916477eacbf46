"""How fast answers are sampled on this machine, in the process of a round and by vLLM, and which ends a round first."""

import shutil
from collections.abc import Sequence
from typing import NamedTuple

from core.stored import Json
from models.policy import ModelSettings, check_adapter
from models.rollout import SamplingSettings
from models.sampling_speed import SamplerSpeed, measure
from tasks.rounds import base, opening
from tasks.rounds.params import RoundSettings
from tasks.state import loading, lock, sampling
from tasks.state.round import Round
from tasks.state.sampler import LOCAL, PYTHON, check
from tasks.state.workspace import Workspace
from tasks.steps import prepare

ENGINES = (LOCAL, "vllm")
STARTS = 3
"""Steps of a round that sample: `collect`, `policy` and `sample`, each with a sampler of its own."""


class EngineSpeed(NamedTuple):
    """The speed of one engine."""

    engine: str
    """A value of `sampler.engine`."""
    name: str
    """The engine, with its version if it has one of its own."""
    speed: SamplerSpeed


class EngineComparison(NamedTuple):
    """The measurements, and what the next round samples."""

    engines: tuple[EngineSpeed, ...]
    tokens: int
    """At most; see `most_tokens`."""
    hand_overs: int
    """Versions of the policy that are sampled after the first one of their step."""

    def seconds(self, engine: EngineSpeed) -> float:
        """How long the next round samples, if no answer ends before its limit."""
        speed = engine.speed
        return STARTS * speed.start + self.hand_overs * speed.hand_over + self.tokens / speed.rate

    @property
    def best(self) -> str:
        """The engine that is done with the next round first."""
        return min(self.engines, key=self.seconds).engine

    def to_json(self) -> Json:
        """As plain values."""
        return {
            "engines": [
                {
                    "engine": engine.engine,
                    "name": engine.name,
                    **engine.speed._asdict(),
                    "rate": engine.speed.rate,
                    "round": self.seconds(engine),
                }
                for engine in self.engines
            ],
            "tokens": self.tokens,
            "hand_overs": self.hand_overs,
            "best": self.best,
        }


def engines(workspace: Workspace, overrides: Sequence[str], rows: int | None = None) -> EngineComparison:
    """Let each engine sample answers to random tokens, with a new adapter of the base that the next round would have.

    Args:
        workspace: the workspace; a base that it has not yet is fetched, as by a round.
        overrides: knobs of the next round.
        rows: answers that are sampled at once; None takes as many as in the step `policy`.

    Raises:
        BadParams: the base is a new model, or no adapter is trained.
        BadModel: the base cannot be had.
        NoSampler, NotInstalled: see `tasks.state.sampler.check`.
        RoundBusy: a round is running in the workspace.
    """
    params = opening.effective(workspace, overrides)
    check_adapter(params.model)
    check(params.sampler.model_copy(update={"engine": "vllm"}), params.model.adapter is not None, PYTHON)
    count = rows or _rows_of_policy(params)
    with lock.holding(workspace.lock, "rounds bench"):
        digest = base.settled(workspace, params.model.base).digest
        measured = tuple(_measured(_round(workspace, params, engine), digest, count) for engine in ENGINES)
    return EngineComparison(measured, most_tokens(params), getattr(params.policy, "steps", 1))


def most_tokens(params: RoundSettings) -> int:
    """How many tokens a round with these parameters samples if no answer ends before its limit. Those of evaluations
    that sample are not counted."""
    algorithm = params.policy
    rollouts = getattr(algorithm, "steps", 0) * getattr(algorithm, "episodes", 0)
    answers = params.collect.prompts * params.collect.answers + rollouts + 2 * params.sample.prompts
    return answers * params.model.max_answer_tokens


def _rows_of_policy(params: RoundSettings) -> int:
    algorithm = params.policy
    batch = getattr(algorithm, "sampling", SamplingSettings()).batch
    return min(batch, getattr(algorithm, "episodes", batch))


def _round(workspace: Workspace, params: RoundSettings, engine: str) -> Round:
    """A round that is not opened, with the parameters of the next one."""
    values = params.frozen()
    values["sampler"]["engine"] = engine
    return Round(workspace, 0, None, params.seed, "", None, (), values)


def _measured(round: Round, digest: str, rows: int) -> EngineSpeed:
    model = round.knobs("model", ModelSettings)
    assert model.adapter is not None
    prepare(round, "bench")
    policy = loading.of_round(round).new_adapter(digest, model.adapter, "policy", round.seed)
    with sampling.of_step(round, "bench", rows) as source:
        speed = measure(source.sample, policy, rows, max(1, model.max_prompt_tokens // 2), model.max_answer_tokens)
        name = source.name()
    shutil.rmtree(round.workspace.sampler("bench"), ignore_errors=True)  # the log is of use after an error only
    return EngineSpeed(name.partition(" ")[0], name, speed)
