"""Which line of models a workspace is in: found by asking the server once, then recorded in `data/line.json`.

A database in the workspace has one line, `policy`, and nothing is asked. On a server a workspace is in the line that
has the runs of its rounds; one without rounds there begins a line of its own, unless it has adopted another.

The server lists the workspaces of a line as tags of the experiment with its rounds. So a copied workspace is noticed.
"""

import json
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from secrets import token_hex
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from core import urls
from core.errors import BadWorkspace, Damaged, NotFound, RoundsError
from tasks.state import identity, records
from tasks.state.identity import WorkspaceIdentity
from tasks.state.line import POLICY, LineRecord, ModelLine, line_record, of_experiment, own_name
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tasks.tools.tracking import LINE, is_local

if TYPE_CHECKING:
    from tasks.tools.tracking import MlflowClient

CHOICE = "ROUNDS_LINE"
"""Environment variable: the line to use where no workspace is at hand. A workspace of another line is refused."""

WORKSPACE = "rounds.workspace."
"""Prefix of the tags that list the workspaces of a line: id of the workspace → its places."""

PAGE = 1000
"""Experiments per request to MLflow."""


class WorkspacePlace(NamedTuple):
    """Where a workspace is."""

    host: str
    root: str


class KnownLine(NamedTuple):
    """A line that a server has."""

    line: ModelLine
    experiment: str
    """Id of the experiment with its rounds."""
    places: Mapping[str, tuple[WorkspacePlace, ...]]
    """Id of a workspace → where it is. A copy has the id of the original."""


def line_of(store: "MlflowClient", root: Path) -> ModelLine | None:
    """The line that the workspace is in, at the configured address; None if it is in none there yet. Writes nothing."""
    workspace = Workspace(root)
    record = line_record(workspace)
    if record and record.server == _address(root):
        return ModelLine(record.line)
    if record is None and is_local(root):
        return POLICY
    return _of_rounds(store, workspace) or _listing(store, workspace) or (POLICY if is_local(root) else None)


def working(store: "MlflowClient", root: Path) -> ModelLine:
    """The line that a round of the workspace would be in: its own new one if it is in none yet. Writes nothing."""
    return line_of(store, root) or ModelLine(_own(Workspace(root)))


def unasked(root: Path) -> ModelLine:
    """The line of a workspace whose database does not exist yet."""
    return POLICY if is_local(root) else ModelLine(_own(Workspace(root)))


def settle(store: "MlflowClient", root: Path) -> ModelLine:
    """The line of the workspace, recorded in the workspace and on the server. Called before anything is registered.

    Raises:
        BadWorkspace: the workspace is a copy of one that still exists; its rounds are not on this server; or
            `ROUNDS_LINE` names another line.
    """
    workspace, line = Workspace(root), line_of(store, root)
    _check_choice(root, line or ModelLine(_own(workspace)), os.environ.get(CHOICE))
    if is_local(root):
        return line or POLICY
    if line is None or tracking.find_experiment(store, line.rounds) is None:
        _check_no_rounds(workspace)
    if line is None:
        return begin(store, workspace)
    _check_copy(store, workspace, line)
    join(store, workspace, line)
    return line


def begin(store: "MlflowClient", workspace: Workspace) -> ModelLine:
    """Begin a line of the workspace's own, under a name that no line of the server has."""
    own = identity.made(workspace)
    line = ModelLine(own_name(own.name, own.id[:4]))
    while tracking.find_experiment(store, line.rounds):
        line = ModelLine(own_name(own.name, token_hex(4)))
    # listed when it is made: after a kill here, the workspace finds its line again
    place = {f"{WORKSPACE}{own.id}": json.dumps([_here(workspace)])}
    tracking.rounds_experiment(store, line, workspace.root, place)
    join(store, workspace, line)
    return line


def join(store: "MlflowClient", workspace: Workspace, line: ModelLine, salt: str | None = None) -> None:
    """Record that the workspace is in the line: in `data/line.json` and at the line's experiment. Idempotent.

    Args:
        store: the server.
        workspace: the workspace.
        line: the line.
        salt: the salt of an adopted line; None keeps the recorded one.
    """
    before = line_record(workspace)
    kept = before.salt if before and before.line == line.name else None
    record = LineRecord(line=line.name, server=_address(workspace.root), salt=salt or kept)
    own, here, experiment = identity.made(workspace), _here(workspace), _experiment(store, workspace, line)
    places = _places(store, experiment).get(own.id, ())
    if here not in places:
        _list(store, experiment, own, (*(place for place in places if _may_exist(place, workspace, own)), here))
    if record != before:
        record.save(workspace.line)


def note(workspace: Workspace, line: ModelLine) -> None:
    """Record the line in the workspace only, for a folder that reads the line's rounds: that of a replay."""
    if not is_local(workspace.root):
        LineRecord(line=line.name, server=_address(workspace.root)).save(workspace.line)


def leave(store: "MlflowClient", workspace: Workspace, line: ModelLine) -> None:
    """Remove the workspace from the list of a line's workspaces."""
    own, experiment = identity.made(workspace), _experiment(store, workspace, line)
    places = _places(store, experiment).get(own.id, ())
    _list(store, experiment, own, tuple(place for place in places if place != _here(workspace)))


def chosen(root: Path, name: str | None = None) -> ModelLine:
    """The line for a command that needs no workspace: the workspace's, else `name` or `ROUNDS_LINE`, else the only one.

    A database in the workspace that does not exist yet is not created.

    Raises:
        NotFound: the server has no line of that name, or several lines and none was named.
        BadWorkspace: the workspace is in another line than the one that was named.
        NoTracking: MLflow does not answer.
    """
    name = name or os.environ.get(CHOICE)
    if is_local(root) and not tracking.exists(root):
        _check_choice(root, POLICY, name)
        return POLICY
    store = tracking.client(root)
    if line := line_of(store, root):
        _check_choice(root, line, name)
        return line
    lines = every(store)
    if name:
        return named(lines, name, root).line
    if not lines:
        return working(store, root)
    if len(lines) == 1 and identity.read(Workspace(root)) is None:
        return lines[0].line
    raise NotFound(
        f"{root} has no rounds on {_address(root)}, whose lines of models are: {_names(lines)}; name one with --line "
        f"or {CHOICE}"
    )


def every(store: "MlflowClient") -> list[KnownLine]:
    """The lines that a server has, by name."""
    found, token = [], None
    while True:
        page = store.search_experiments(max_results=PAGE, page_token=token)
        for experiment in page:
            line = of_experiment(experiment.name)
            # an earlier release set no tag, and made the experiment before there were rounds
            if line and (LINE in experiment.tags or (line == POLICY and _has_runs(store, experiment.experiment_id))):
                found.append(KnownLine(line, str(experiment.experiment_id), _read_places(experiment.tags)))
        token = page.token
        if not token:
            return sorted(found, key=lambda known: known.line.name)


def named(lines: Iterable[KnownLine], name: str, root: Path) -> KnownLine:
    """The line of this name.

    Raises:
        NotFound: there is none; names the others, and the closest.
    """
    by_name = {known.line.name: known for known in lines}
    if name in by_name:
        return by_name[name]
    close = get_close_matches(name, by_name, 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise NotFound(f"{_address(root)} has no line {name!r}; there are: {_names(by_name.values())}{hint}")


def label(root: Path) -> str:
    """The name of the line on a Prefect server, from the workspace's files alone.

    Every local database has a line `policy`. So that they differ there, the line has the name that would be its own.
    """
    workspace = Workspace(root)
    record = line_record(workspace)
    return record.line if record and not is_local(root) else _own(workspace)


def _of_rounds(store: "MlflowClient", workspace: Workspace) -> ModelLine | None:
    """The line whose experiment has the run of the newest readable record."""
    for number in reversed(records.numbers(workspace)):
        with suppress(Damaged):
            experiment = tracking.experiment_of(store, records.read(workspace, number).run_id)
            return of_experiment(experiment) if experiment else None
    return None


def _listing(store: "MlflowClient", workspace: Workspace) -> ModelLine | None:
    """The line that lists the workspace: this very place, or else its id."""
    own = identity.read(workspace)
    if own is None:
        return None
    listing = [known for known in every(store) if known.places.get(own.id)]
    exact = [known for known in listing if _here(workspace) in known.places[own.id]]
    return next((known.line for known in (*exact, *listing)), None)


def _check_choice(root: Path, line: ModelLine, name: str | None) -> None:
    """Raise BadWorkspace if another line than the workspace's was named."""
    if not name or name == line.name or (is_local(root) and name == label(root)):
        return
    if is_local(root):
        raise BadWorkspace(
            f"the rounds of {root} are in its own database, not in the line {name} of a server; set "
            f"MLFLOW_TRACKING_URI to that server, or leave out --line and unset {CHOICE}"
        )
    raise BadWorkspace(
        f"{root} is in the line {line.name} of {_address(root)}, not in {name}; leave out --line and unset "
        f"{CHOICE}, name another workspace with -w, or, if it has no rounds yet, join that line: "
        f"`rounds adopt {quote(name)} -w {quote(str(root))}`"
    )


def _check_no_rounds(workspace: Workspace) -> None:
    """Raise BadWorkspace if the workspace has rounds, none of which this server has."""
    if records.numbers(workspace):
        raise BadWorkspace(
            f"{_address(workspace.root)} has no run of the rounds of {workspace.root}; set MLFLOW_TRACKING_URI to the "
            "server that has them (unset it if they are in the workspace's own database), restore that server from a "
            "backup, or make a new workspace: `rounds init FOLDER`"
        )


def copied(store: "MlflowClient", root: Path) -> str | None:
    """That the workspace is a copy of one that may still be in use, and the choice; None if not. Writes nothing."""
    workspace, line = Workspace(root), line_of(store, root)
    experiment = tracking.find_experiment(store, line.rounds) if line else None
    if line is None or experiment is None:
        return None
    return listed_elsewhere(store.get_experiment(experiment).tags, workspace, line)


def listed_elsewhere(tags: Mapping[str, str], workspace: Workspace, line: ModelLine) -> str | None:
    """The same by the tags of the line's experiment, however they were read."""
    own = identity.read(workspace)
    return _copied(_read_places(tags).get(own.id, ()), workspace, own, line) if own else None


def _check_copy(store: "MlflowClient", workspace: Workspace, line: ModelLine) -> None:
    """Raise BadWorkspace if the line lists the workspace's id at another place, where it may still be in use."""
    own, experiment = identity.made(workspace), _experiment(store, workspace, line)
    if reason := _copied(_places(store, experiment).get(own.id, ()), workspace, own, line):
        raise BadWorkspace(reason)


def _copied(
    places: Sequence[WorkspacePlace], workspace: Workspace, own: WorkspaceIdentity, line: ModelLine
) -> str | None:
    others = [place for place in places if _may_exist(place, workspace, own)]
    if others and _here(workspace) not in places:
        folder = quote(str(workspace.root))
        alone = "`rounds init FOLDER` makes a new workspace with a line of its own"
        if not records.numbers(workspace):
            alone = f"`rounds adopt --new -w {folder}` begins a line of its own"
        return (
            f"{workspace.root} is a copy of the workspace {others[0].root} on {others[0].host}, which is in the line "
            f"{line.name}. Choose: `rounds adopt {line.name} -w {folder}` continues that line from both; {alone}"
        )
    return None


def _may_exist(place: WorkspacePlace, workspace: Workspace, own: WorkspaceIdentity) -> bool:
    """Whether the workspace may still be in use at a place as well.

    The same path on another host is the same workspace: in a container, on a network disk, or restored.
    """
    if place.root == str(workspace.root):
        return False
    if place.host != _here(workspace).host:
        return True
    with suppress(RoundsError, OSError):
        there = Workspace(Path(place.root))
        other = identity.read(there)
        return other is not None and other.id == own.id and not there.root.samefile(workspace.root)
    return False


def _here(workspace: Workspace) -> WorkspacePlace:
    return WorkspacePlace(socket.gethostname(), str(workspace.root))


def _experiment(store: "MlflowClient", workspace: Workspace, line: ModelLine) -> str:
    return tracking.rounds_experiment(store, line, workspace.root)


def _places(store: "MlflowClient", experiment: str) -> Mapping[str, tuple[WorkspacePlace, ...]]:
    return _read_places(store.get_experiment(experiment).tags)


def _read_places(tags: Mapping[str, str]) -> Mapping[str, tuple[WorkspacePlace, ...]]:
    """The lists of workspaces. One that somebody edited on the server, so that it is no such list, is left out."""
    listed: dict[str, tuple[WorkspacePlace, ...]] = {}
    for name, text in tags.items():
        if name.startswith(WORKSPACE):
            with suppress(ValueError, TypeError, RecursionError):
                listed[name.removeprefix(WORKSPACE)] = tuple(_place(*place) for place in json.loads(text))
    return listed


def _place(host: object, root: object) -> WorkspacePlace:
    return WorkspacePlace(str(host), str(root))


def _list(store: "MlflowClient", experiment: str, own: WorkspaceIdentity, places: tuple[WorkspacePlace, ...]) -> None:
    store.set_experiment_tag(experiment, f"{WORKSPACE}{own.id}", json.dumps(places))


def _has_runs(store: "MlflowClient", experiment: str) -> bool:
    return bool(store.search_runs([experiment], max_results=1))


def _own(workspace: Workspace) -> str:
    own = identity.read(workspace)
    return own_name(own.name, own.id[:4]) if own else own_name(workspace.root.name, "new")


def _names(lines: Iterable[KnownLine]) -> str:
    return ", ".join(known.line.name for known in lines) or "none"


def _address(root: Path) -> str:
    """The address of the store, without user, password and other secrets."""
    return urls.without_secrets(urls.without_user(tracking.uri(root)))
