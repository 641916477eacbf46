"""Rounds whose steps run in an empty workspace, and workers that a test starts itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.files import write_text
from tasks.rounds.placed import PlacedStep
from tasks.rounds.placement import of
from tasks.rounds.worker_step import work
from tasks.state.inputs import Base, Inputs
from tasks.state.opening_facts import OpeningFacts
from tasks.state.round import Round, code_digest
from tasks.state.steplog import StepLog
from tasks.tools.work_pools import RunState
from tests.tasks.steps.hand_written import opened, put, write_prompts

KNOBS = {"use": "ppo", "steps": 3, "checkpoint_every": 1, "episodes": 4, "minibatch": 2, "epochs": 1}
"""Of a policy that trains in a second."""


def furnished(root: Path, models: Path, handover: str | None = None, **values: Any) -> Round:
    """A round with what its step `policy` reads; with a handover, a worker of the pool `gpu` runs it."""
    if handover:
        values |= {"versioning": {"handover": handover}, "steps": {"policy": {"work_pool": "gpu"}}}
    round = opened(root, champion="4", policy=KNOBS, **values)
    workspace = round.workspace
    facts = {"number": round.number, "seed": round.seed, "salt": round.salt, "champion": round.champion}
    base = Base(name="scratch", digest="scratch")
    write_text(workspace.round, Inputs(**facts, base=base, code="", feedback="", params=round.values).to_yaml())
    OpeningFacts(
        request="", written="", code=code_digest(), inputs="", at="2026-01-01", commit="abc123", dirty=False
    ).save(workspace.opened)
    put(models / "policy", workspace.champion)
    put(models / "sft", workspace.checkpoint("sft"))
    put(models / "reward", workspace.checkpoint("reward"))
    write_prompts(workspace, "train")
    return round


class Workers:
    """A pool whose workers run a step at once, in this process; each start takes the next one of `workers`."""

    def __init__(self, *workers: Callable[[str, str, str], None]) -> None:
        self._workers = list(workers)
        self.states: dict[str, RunState] = {}
        """By name of the attempt."""
        self.cancelled: list[str] = []
        """Reasons."""

    def start(self, handover: str, workspace: str, attempt: str, title: str) -> str:
        if attempt not in self.states:
            worker = self._workers.pop(0) if self._workers else work
            try:
                worker(handover, workspace, attempt)
                self.states[attempt] = RunState("COMPLETED")
            except Died:
                self.states[attempt] = RunState("CRASHED", "exit status -9")
            except Silent:
                self.states[attempt] = RunState("RUNNING")
            except Exception as error:
                self.states[attempt] = RunState("FAILED", str(error))
        return attempt

    def state(self, run: str) -> RunState:
        return self.states[run]

    def cancel(self, run: str, reason: str) -> None:
        self.cancelled.append(reason)


class Died(BaseException):
    """The process of a worker was killed, and the worker noticed it."""


class Silent(BaseException):
    """The machine of a worker is gone."""


class Clock:
    """Time passes only while somebody waits, half a minute each time."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += 30


def placed(round: Round, workers: Workers, log: StepLog) -> None:
    """Have the step `policy` run by workers."""
    place, clock = of(round, "policy"), Clock()
    assert place is not None
    PlacedStep(round, place, log, workers, clock.sleep, lambda: clock.now).run()
