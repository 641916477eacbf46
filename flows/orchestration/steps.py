"""Run a step as a Prefect task. DVC, not the result cache of Prefect, decides whether a step is already done."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from core.errors import RoundsError, StepFailed
from core.urls import without_secrets
from tasks.rounds import placed
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.steps import Step

RETRIES = {"collect": 1, "ingest": 2, "vote": 1}
"""Retries of steps that call sources or annotators outside the workspace. All other steps are never retried."""


def as_task(step: Step, round: Round, log: StepLog) -> None:
    """Run a step as a Prefect task with the name of the step.

    A `RoundsError` is never retried: it needs the cure in its message.
    """
    retries = RETRIES.get(step.__name__, 0)
    prefect_task = task(
        name=step.__name__,
        retries=retries,
        retry_delay_seconds=[2.0, 10.0, 60.0][:retries],
        retry_condition_fn=_may_retry,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(_run)
    prefect_task(step, round, log)


def _run(step: Step, round: Round, log: StepLog) -> None:
    """Run the step; an error of a library is raised as ours, because Prefect stores its message, secrets and all."""
    try:
        placed.run(step, round, log)
    except RoundsError:
        raise
    except Exception as error:
        if without_secrets(str(error)) != str(error):
            raise StepFailed(
                f"{type(error).__name__}: {error}; correct it, then continue with `rounds round`"
            ) from None
        raise


def _may_retry(task: Any, run: TaskRun, state: State[Any]) -> bool:
    return not isinstance(state.result(raise_on_failure=False), RoundsError)
