"""Adoption: a workspace joins a line of models that another workspace began, or begins a new one of its own."""

from collections.abc import Sequence
from shlex import quote
from typing import NamedTuple

from core.errors import BadWorkspace, NotFound
from tasks.registry.archive import Archive
from tasks.registry.versions import VersionStore
from tasks.state import records
from tasks.state.line import ModelLine
from tasks.state.workspace import Workspace
from tasks.tools import lines, tracking
from tasks.tools.lines import KnownLine, WorkspacePlace


class LineSummary(NamedTuple):
    """A line of the server, for people who choose one."""

    name: str
    round: int | None
    """The newest round that registered a version; None before the first."""
    champion: str | None
    """The version that the alias names; None before the first."""
    places: tuple[WorkspacePlace, ...]
    """Where its workspaces are, as far as they are known."""
    current: bool
    """True for the line of this workspace."""


def summaries(workspace: Workspace) -> list[LineSummary]:
    """The lines of the server, by name.

    Raises:
        BadWorkspace: no server is configured.
        NoTracking: MLflow does not answer.
    """
    _check_server(workspace)
    store = tracking.client(workspace.root)
    current = lines.line_of(store, workspace.root)
    return [_summary(workspace, known, current) for known in lines.every(store)]


def adopt(workspace: Workspace, name: str) -> ModelLine:
    """Join a line: its champion, its versions, its round numbers and its split of prompts are this workspace's too.

    Joining the present line again confirms that a copied workspace continues it.

    Raises:
        BadWorkspace: no server is configured, or the workspace has rounds of another line.
        NotFound: the server has no line of that name, or the line has no finished round yet.
    """
    _check_server(workspace)
    store = tracking.client(workspace.root)
    line = lines.named(lines.every(store), name, workspace.root).line
    current = lines.line_of(store, workspace.root)
    if current == line:
        lines.join(store, workspace, line)
        return line
    _check_no_rounds(workspace, f"joining the line {name}")
    salt = _salt(workspace, line)
    if current:
        lines.leave(store, workspace, current)
    lines.join(store, workspace, line, salt)
    return line


def begin_new(workspace: Workspace) -> ModelLine:
    """Begin a line of the workspace's own.

    Raises:
        BadWorkspace: no server is configured, or the workspace has rounds.
    """
    _check_server(workspace)
    _check_no_rounds(workspace, "beginning a line of its own")
    store = tracking.client(workspace.root)
    if current := lines.line_of(store, workspace.root):
        lines.leave(store, workspace, current)
    return lines.begin(store, workspace)


def _summary(workspace: Workspace, known: KnownLine, current: ModelLine | None) -> LineSummary:
    versions = VersionStore(workspace.root, known.line)
    newest = max((version.round for version in versions.versions("policy")), default=None)
    places = tuple(place for own in known.places.values() for place in own)
    return LineSummary(known.line.name, newest, versions.alias(), places, known.line == current)


def _salt(workspace: Workspace, line: ModelLine) -> str:
    """The salt of the line's last round. With another one, prompts that the line holds out would be trained on."""
    archive = Archive(workspace.root, line)
    finished: Sequence[str] = [past.run_id for past in archive.rounds() if past.verdict]
    if not finished:
        raise NotFound(
            f"the line {line.name} has no finished round yet; after its first one, run `rounds adopt {line.name}`"
        )
    with archive.saved(archive.finished(finished[-1])) as saved:
        return saved.inputs.salt


def _check_server(workspace: Workspace) -> None:
    if tracking.is_local(workspace.root):
        raise BadWorkspace(
            f"the runs of {workspace.root} are in its own database, which has one line; set MLFLOW_TRACKING_URI to "
            "the server whose lines you mean"
        )


def _check_no_rounds(workspace: Workspace, what: str) -> None:
    if workspace.round.exists() or records.numbers(workspace):
        raise BadWorkspace(
            f"{workspace.root} has rounds, whose champion and numbers belong to its line; for {what}, make a new "
            "workspace: `rounds init FOLDER`. It gets this one's feedback by `rounds feedback export FILE.jsonl -w "
            f"{quote(str(workspace.root))}` and `rounds feedback import FILE.jsonl -w FOLDER`"
        )
