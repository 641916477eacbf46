"""The Prefect task line over a step, in one place."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from core.errors import RoundsError
from models.seeding import seed_everything
from tasks.state.round import Round
from tasks.state.steplog import StepLog

Step = Task[[Round, StepLog], None]


def step(retries: int = 0) -> Callable[[Callable[[Round, StepLog], None]], Step]:
    """Make a function a step of the round: a Prefect task whose `.fn` is the same function without Prefect.

    Every generator is seeded by round and step first. DVC, not Prefect's result cache, knows whether a step is done. An
    error with a cure is never retried: trying again does not cure it.
    """

    def wrap(function: Callable[[Round, StepLog], None]) -> Step:
        @wraps(function)
        def seeded(round: Round, log: StepLog) -> None:
            seed_everything(str(round.seed), function.__name__)
            function(round, log)

        made: Step = task(
            name=function.__name__,
            retries=retries,
            retry_delay_seconds=[2.0, 10.0, 60.0][:retries],
            retry_condition_fn=_may_pass,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(seeded)
        return made

    return wrap


def _may_pass(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    return not isinstance(state.result(raise_on_failure=False), RoundsError)
