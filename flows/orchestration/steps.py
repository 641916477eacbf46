"""A step as a Prefect task, in one place. DVC, not Prefect's result cache, knows whether a step is done."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from core.errors import RoundsError
from tasks import steps
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.steps import Step

RETRIES = {"collect": 1, "ingest": 2, "vote": 1}
"""How often a step is tried again that asks sources or annotators outside of the workspace. All others: never."""


def as_task(step: Step, round: Round, log: StepLog) -> None:
    """Run a step as a Prefect task of its name.

    An error with a cure (`RoundsError`) is never retried: trying again does not cure it.
    """
    retries = RETRIES.get(step.__name__, 0)
    made = task(
        name=step.__name__,
        retries=retries,
        retry_delay_seconds=[2.0, 10.0, 60.0][:retries],
        retry_condition_fn=_may_pass,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(_run)
    made(step, round, log)


def _run(step: Step, round: Round, log: StepLog) -> None:
    steps.run(step, round, log)


def _may_pass(task: Any, run: TaskRun, state: State[Any]) -> bool:
    return not isinstance(state.result(raise_on_failure=False), RoundsError)
