"""The address at which the machines of a step meet, if params.yaml wants several (`launch.nodes`)."""

from collections.abc import Iterator

from core.errors import BadParams
from core.nested import flat
from core.settings import read
from models import rendezvous
from tasks.doctor.diagnosis import Diagnosis, warning
from tasks.state.steps import STEPS
from tasks.state.workspace import Workspace


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """An address that is missing, or not one of this machine. Knobs are read one by one: their classes need torch."""
    try:
        values = flat(read(workspace.params))
    except (BadParams, FileNotFoundError):
        return  # the check `params` reports it
    for step in STEPS:
        nodes = values.get(f"{step}.launch.nodes", 1)
        if isinstance(nodes, int) and not values.get(f"steps.{step}.work_pool"):  # else the worker is met
            try:
                rendezvous.check(nodes)
            except BadParams as problem:
                yield warning(f"a round cannot start on this machine, which may help another one: {step}.{problem}")
                return
