"""Where the steps of a round run: in its own process, or on the workers of a Prefect work pool."""

from collections.abc import Iterator
from shlex import quote
from typing import NamedTuple

from pydantic import Field

from core import urls
from core.errors import BadParams
from core.settings import BaseSettings
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tasks.tools.handover import Handover
from tasks.tools.versioning import VersioningSettings
from tasks.tools.work_pools import PoolRuns


class PlaceSettings(BaseSettings):
    """Where one step runs."""

    work_pool: str | None = Field(None, min_length=1)
    """Prefect work pool whose workers run the step, on other machines if they are there; it needs
    `versioning.handover` and an MLflow server. Default: the process of the round."""
    lost_after: float = Field(120.0, ge=1.0)
    """Seconds without a sign of life from its worker, after which the step is given to another one."""


class StepsSettings(BaseSettings):
    """Where the steps run that train models or sample from them. All others run in the process of the round."""

    sft: PlaceSettings = PlaceSettings()
    reward: PlaceSettings = PlaceSettings()
    policy: PlaceSettings = PlaceSettings()
    sample: PlaceSettings = PlaceSettings()


class StepPlace(NamedTuple):
    """A step that workers run."""

    step: str
    pool: str
    lost_after: float
    handover: str
    """fsspec URL."""


def of(round: Round, step: str) -> StepPlace | None:
    """Where a step of an open round runs; None for the process of the round."""
    knobs, versioning = round.knobs("steps", StepsSettings), round.knobs("versioning", VersioningSettings)
    return next((place for place in places(knobs, versioning) if place.step == step), None)


def handover(round: Round) -> str | None:
    """The handover of an open round; None if workers run none of its steps."""
    found = places(round.knobs("steps", StepsSettings), round.knobs("versioning", VersioningSettings))
    return next((place.handover for place in found), None)


def check(workspace: Workspace, steps: StepsSettings, versioning: VersioningSettings) -> None:
    """Check, before a round is opened, that the steps can run where the knobs say.

    Raises:
        BadParams: `versioning.handover` is not set or no other process could read it, or there is no MLflow server.
        NoHandover: the handover cannot be written or read.
        NotInstalled: the handover needs a driver.
        NoPrefect: there is no Prefect server, or it does not answer.
        NotFound: it has no such pool.
    """
    for place in places(steps, versioning):
        check_knobs(workspace, place)
        PoolRuns(place.pool).check()
        Handover(place.handover).check()


def check_knobs(workspace: Workspace, place: StepPlace) -> None:
    """Check that a handover and an MLflow server are named.

    Raises:
        BadParams: one of them is not.
    """
    knob = f"steps.{place.step}.work_pool={place.pool}"
    if not place.handover:
        raise BadParams(
            f"{knob}: workers on other machines get files through a folder or bucket, and none is named; set "
            "versioning.handover to an fsspec URL that all of them reach, such as s3://BUCKET/FOLDER or "
            "file:///MOUNTED/FOLDER"
        )
    if file := urls.sqlite_file(tracking.uri(workspace.root)):
        raise BadParams(
            f"{knob}: a round with steps on other machines needs an MLflow server, so that it can be continued from "
            f"another machine too, and its runs would be kept in {file}; start a server, such as with "
            f"`rounds up --only mlflow -w {quote(str(workspace.root))}`, which serves that file, and set "
            "MLFLOW_TRACKING_URI to its address"
        )


def places(steps: StepsSettings, versioning: VersioningSettings) -> Iterator[StepPlace]:
    """The steps that workers run."""
    for step in StepsSettings.model_fields:
        settings: PlaceSettings = getattr(steps, step)
        if settings.work_pool:
            yield StepPlace(step, settings.work_pool, settings.lost_after, versioning.handover or "")
