"""Steps that workers of a Prefect work pool run: the pool has a worker, the handover can be read, MLflow a server."""

from collections.abc import Iterator

from core.errors import BadParams, RoundsError
from core.settings import read, section
from tasks.doctor.diagnosis import Diagnosis, error, warning
from tasks.rounds import placement
from tasks.rounds.placement import StepsSettings
from tasks.state.workspace import Workspace
from tasks.tools.handover import Handover
from tasks.tools.versioning import VersioningSettings
from tasks.tools.work_pools import PoolRuns, starting


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """What the next round would be refused for, and pools without a worker."""
    try:
        values = read(workspace.params)
        steps = section(StepsSettings, values, "steps", workspace.params)
        versioning = section(VersioningSettings, values, "versioning", workspace.params)
    except BadParams:
        return  # the check of params.yaml reports it
    for place in placement.places(steps, versioning):
        try:
            placement.check_knobs(workspace, place)
            Handover(place.handover).folders()
        except RoundsError as problem:
            yield error(str(problem))
            return
        pool = PoolRuns(place.pool)
        try:
            workers = pool.workers()
        except RoundsError as problem:
            yield error(f"steps.{place.step}.work_pool: {problem}")
            continue
        if not workers:
            yield warning(
                f"no worker of the work pool {place.pool!r} is online, so step {place.step} would wait; start one with "
                f"{starting(place.pool)} on a machine that has the code of this one"
            )
