"""`/dashboard`: how the workspace is doing, for operators, and what they start from there."""

import re
import secrets
from collections.abc import Mapping
from functools import cache, partial
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from core.errors import NotFound, RoundsError
from serving.context import serving_of
from serving.errors import ApiError, unavailable
from serving.latest import Latest
from serving.pages.dashboard_view import answering, dashboard_view
from serving.pages.forms import FormFields, Posted
from serving.pages.frame import page
from serving.pages.visitors import Operating, Visitor
from tasks.history.dashboard import Dashboard, DashboardReader, champion
from tasks.pages import drift_checks
from tasks.pages.cost import duration, memory, money, sentence
from tasks.pages.drift import p_value
from tasks.people import candidate_review
from tasks.state import records
from tasks.state.workspace import Workspace
from tasks.tools import rounds_view, tracking
from tasks.tools.deployments import APPROVE, ROLLBACK, ROUND, DeploymentRuns, ListedRuns, PrefectRuns
from tasks.tools.prefect_api import NoPrefect

NOTICES = {
    "round": "The round was asked for. A worker begins within seconds; if another round runs, this one ends at once.",
    "reopen": "The round was asked for, and opens again. A worker begins within seconds.",
    "approve": "The decision was sent. It counts once its run has ended.",
    "rollback": "The rollback was asked for. The champion changes once its run has ended.",
}
"""Name of an action → what the page says after it."""

LONGEST = 2000
"""Characters of a reason."""

GATHERED = 10.0
"""Seconds within which the state of the workspace is known: a database may hang."""

PREFECT = 5.0
"""Seconds within which the Prefect server has answered or was given up."""

LISTED = 3.0
"""Seconds for which the list of runs is shown again."""

STARTING = 4
"""Runs that are started at once. These threads are not those that encode prompts."""

_ROUND = re.compile("[0-9]{1,9}")
"""The number of a round in a form or an address."""

router = APIRouter(include_in_schema=False)


@cache
def reader_of(workspace: Workspace) -> DashboardReader:
    """The one reader of a workspace: it keeps what it has read."""
    return DashboardReader(workspace)


@cache
def gathered_of(reader: DashboardReader) -> Latest[Dashboard]:
    """What a reader gathers."""
    return Latest(reader.read, GATHERED)


@cache
def listed_of(runs: DeploymentRuns) -> Latest[ListedRuns]:
    """The runs that have not ended, and those that failed."""
    return Latest(runs.listed, PREFECT, LISTED)


@cache
def runs_of(workspace: Workspace) -> PrefectRuns:
    """The runs of a workspace."""
    return PrefectRuns(workspace)


def deployment_runs(request: Request) -> DeploymentRuns:
    """The runs on the Prefect server."""
    return runs_of(serving_of(request).workspace)


_starting = anyio.CapacityLimiter(STARTING)


Runs = Annotated[DeploymentRuns, Depends(deployment_runs)]


@router.get("/dashboard")
async def dashboard(request: Request, visitor: Operating, runs: Runs, done: str = "", all: bool = False) -> Response:
    """Show the workspace."""
    return await _shown(request, visitor, runs, NOTICES.get(done, ""), all_rounds=all)


@router.get("/dashboard/state")
async def state(request: Request, visitor: Operating, runs: Runs, all: bool = False) -> Response:
    """Show the parts of the page that change, for the script that puts them into it."""
    return await _shown(request, visitor, runs, all_rounds=all, template="dashboard_state.html.jinja")


@router.get("/dashboard/rounds/{name}")
async def one_round(request: Request, visitor: Operating, name: str) -> Response:
    """Show a finished round: gates, drift, answers, metrics, and what each step cost; or a candidate to be approved."""
    if not _ROUND.fullmatch(name):
        raise ApiError(404, f"{name[:40]!r} is no number of a round; go back to the dashboard")
    workspace, number = serving_of(request).workspace, int(name)
    if not records.path(workspace, number).exists():
        return await _candidate(workspace, visitor, number)
    record = await anyio.to_thread.run_sync(records.read, workspace, number)
    told: dict[str, Any] = {
        "duration": duration,
        "memory": memory,
        "sentence": sentence,
        "mlflow": tracking.run_page(workspace.root, record.experiment, record.run_id),
        "checks": await anyio.to_thread.run_sync(drift_checks.of, workspace, record),
        "p_value": p_value,
    }
    return page("dashboard_round.html.jinja", visitor, f"Round {number}", record=record, **told)


async def _candidate(workspace: Workspace, visitor: Visitor, number: int) -> Response:
    """Show the candidate of a round that waits for approval.

    Raises:
        ApiError: the round does not wait for approval; status 404.
    """
    review = await anyio.to_thread.run_sync(candidate_review.of, workspace, number)
    if review is None:
        raise ApiError(
            404, f"round {number} has not finished here, and does not wait for approval; go back to the dashboard"
        )
    return page("dashboard_candidate.html.jinja", visitor, f"Round {number}", review=review)


@router.post("/dashboard/round")
async def run_a_round(request: Request, visitor: Operating, runs: Runs, fields: Posted) -> Response:
    """Ask for a round, whether or not enough feedback waits; or have the open one discarded and opened again."""
    if fields.get("reopen") == "yes":
        await _check_reopening(serving_of(request).workspace, fields)
        values = {"when_pending": False, "reopen": True}
        return await _started(request, visitor, runs, "reopen", ROUND, values, fields)
    return await _started(request, visitor, runs, "round", ROUND, {"when_pending": False}, fields)


@router.post("/dashboard/approve")
async def decide(request: Request, visitor: Operating, runs: Runs, fields: Posted) -> Response:
    """Approve the candidate of a round that waits for it, or refuse it."""
    number, decision = fields.get("round", ""), fields.get("decision", "")
    if not _ROUND.fullmatch(number) or decision not in ("approve", "refuse"):
        raise ApiError(400, "the form names no round and no decision; open the dashboard again")
    values = {"round": int(number), "by": visitor.person, "why": _reason(fields), "refuse": decision == "refuse"}
    return await _started(request, visitor, runs, "approve", APPROVE, values, fields)


@router.post("/dashboard/rollback")
async def roll_back(request: Request, visitor: Operating, runs: Runs, fields: Posted) -> Response:
    """Make an earlier version champion again."""
    version = fields.get("to", "").strip()
    if version and not version.isdecimal():
        raise ApiError(400, f"{version!r} is no version; type its number, or nothing for the one before the champion")
    values = {"reason": _reason(fields), "to": version or None, "who": visitor.person}
    if problem := await anyio.to_thread.run_sync(_no_target, serving_of(request).workspace, version):
        raise ApiError(400, problem)
    return await _started(request, visitor, runs, "rollback", ROLLBACK, values, fields)


def _no_target(workspace: Workspace, version: str) -> str | None:
    """Why nothing can be rolled back to a version; None if it can, or only the run finds out.

    Other workspaces of a line may have made versions champion that this log does not know.
    """
    now = champion(workspace)
    if now is None or not tracking.is_local(workspace.root) or (version in now.earlier if version else now.earlier):
        return None
    if not version:
        return f"no version was champion before version {now.version}; there is nothing to roll back to"
    known = ", ".join(now.earlier) or "none"
    return f"version {version} was not champion before version {now.version}; go back, and type one of these: {known}"


async def _check_reopening(workspace: Workspace, fields: FormFields) -> None:
    """Refuse to discard a round that nobody confirmed, that runs, or that is another one than the form shows.

    Raises:
        ApiError: status 400 or 409.
    """
    if fields.get("confirmed") != "yes":
        raise ApiError(400, "this was not confirmed; go back, and tick the box above the button")
    progress = (await _gathered(workspace)).progress
    if progress is None or progress.activity != "stands still" or fields.get("round") != str(progress.number):
        raise ApiError(409, "the round has ended, or goes on; go back to the dashboard")


def _reason(fields: FormFields) -> str:
    """The reason of a decision that was confirmed.

    Raises:
        ApiError: there is none, it is too long, or the decision was not confirmed.
    """
    reason = fields.get("reason", "").strip()
    if fields.get("confirmed") != "yes":
        raise ApiError(400, "the decision was not confirmed; go back, and tick the box above the button")
    if not 0 < len(reason) <= LONGEST:
        raise ApiError(400, f"a reason of 1 to {LONGEST} characters is needed, for the audit log; go back and type one")
    return reason


async def _started(
    request: Request,
    visitor: Visitor,
    runs: DeploymentRuns,
    action: str,
    deployment: str,
    parameters: Mapping[str, object],
    fields: FormFields,
) -> Response:
    """Start a run and show the dashboard; a form that is sent twice starts one run."""
    key = fields.get("key") or secrets.token_urlsafe(16)
    start = partial(runs.start, deployment, parameters, f"dashboard-{key}"[:200])
    try:
        await anyio.to_thread.run_sync(start, limiter=_starting)
    except (NoPrefect, NotFound) as error:
        return await _shown(request, visitor, runs, str(error), status=503)
    reader_of(serving_of(request).workspace).forget()
    listed_of(runs).forget()
    return RedirectResponse(f"/dashboard?done={action}", 303)


async def _shown(
    request: Request,
    visitor: Visitor,
    runs: DeploymentRuns,
    notice: str = "",
    status: int = 200,
    all_rounds: bool = False,
    template: str = "dashboard.html.jinja",
) -> Response:
    gathered = await _gathered(serving_of(request).workspace)
    listed, no_runs = await _listed(runs)
    mlflow = tracking.pages(serving_of(request).workspace.root)
    if mlflow and gathered.rounds:
        mlflow = rounds_view.page(mlflow, gathered.rounds[-1].experiment)
    values: dict[str, Any] = {
        "view": dashboard_view(gathered, all_rounds),
        "board": gathered,
        "runs": listed.running,
        "failures": listed.failed,
        "failed_round": listed.failed_round,
        "rolls_back": _no_target(serving_of(request).workspace, "") is None,
        "no_runs": no_runs,
        "mlflow": mlflow,
        "answering": answering(serving_of(request).follower.state, gathered.champion),
        "notice": notice,
        "failed": status != 200,
        "key": secrets.token_urlsafe(16),
        "duration": duration,
        "money": money,
        "longest": LONGEST,
    }
    return page(template, visitor, "Dashboard", status, **values)


async def _gathered(workspace: Workspace) -> Dashboard:
    """The state of the workspace.

    Raises:
        ApiError: it is not known within `GATHERED` seconds; status 503.
    """
    try:
        return await gathered_of(reader_of(workspace)).result()
    except TimeoutError as error:
        raise unavailable(
            f"the state of the workspace could not be read within {GATHERED:.0f} s; /health/ready says whether the "
            "feedback database answers",
            "no_state",
        ) from error


async def _listed(runs: DeploymentRuns) -> tuple[ListedRuns, str]:
    """The runs that people look at, or why they are not known."""
    try:
        return await listed_of(runs).result(), ""
    except TimeoutError:
        reason = f"the Prefect server has not answered within {PREFECT:.0f} s; the next look may find an answer"
    except RoundsError as error:
        reason = str(error)
    return ListedRuns(()), reason
