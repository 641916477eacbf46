"""The steps of a round, one file per step: read, compute, write. A step is a plain function; the flow wraps it."""

from collections.abc import Callable
from importlib import import_module

from core.errors import NotFound
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.steps import STEPS

Step = Callable[[Round, StepLog], None]
"""Reads the round's inputs and the outputs of earlier steps, and writes its own outputs."""


def find(name: str) -> Step:
    """Return the step `name`: the function of that name in `tasks/steps/<name>.py`.

    Raises:
        NotFound: there is no such step; the message lists the steps.
    """
    if name not in STEPS:
        raise NotFound(f"there is no step {name!r}; use one of {', '.join(STEPS)}")
    step: Step = getattr(import_module(f"{__name__}.{name}"), name)
    return step


def run(step: Step, round: Round, log: StepLog) -> None:
    """Run a step with every random number generator seeded by the round and the step's name."""
    prepare(round, step.__name__)
    step(round, log)


def prepare(round: Round, name: str) -> None:
    """Set up this process as for the step `name`: seeds, number of threads, kernels."""
    from models import compute, kernels, seeding  # import torch, which `find` does not need

    seeding.seed_everything(str(round.seed), name)
    seeding.set_threads(round.threads)
    kernels.use(compute.device(), round.deterministic)
