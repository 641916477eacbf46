import shutil
from pathlib import Path

import pytest

from core.errors import BadWorkspace, NotFound
from tasks.registry import adoption, consistency
from tasks.registry.alias import Registry
from tasks.state import identity
from tasks.state.choosing import at
from tasks.state.line import POLICY, LineRecord, ModelLine, line_record
from tasks.state.workspace import Workspace
from tasks.tools import lines, tracking
from tests.commands import Rounds
from tests.cures import cures, words
from tests.teams import Team, champion, finished_round, settled
from tests.upgrade.test_upgrade import ARCHIVE
from tests.workspaces import unpacked

# SQLAlchemy 2.1 warns of how MLflow maps its tables
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def copied(workspace: Workspace, name: str) -> Workspace:
    """A copy beside the workspace, with everything in it."""
    return Workspace(shutil.copytree(workspace.root, workspace.root.parent / name))


def experiments(root: Path) -> set[str]:
    return {experiment.name for experiment in tracking.client(root).search_experiments()} - {"Default"}


def elsewhere(workspace: Workspace, place: lines.WorkspacePlace) -> None:
    """Make the server list the workspace at this place only."""
    store = tracking.client(workspace.root)
    experiment = tracking.rounds_experiment(store, settled(workspace), workspace.root)
    lines._list(store, experiment, identity.made(workspace), (place,))


def test_a_local_database_has_the_line_policy_and_no_record(
    team: Team, monkeypatch: pytest.MonkeyPatch, empty_store: Path
) -> None:
    workspace = team("alone")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    shutil.copyfile(empty_store, workspace.database)
    finished_round(workspace, 0)
    assert Registry(workspace.root).line == POLICY
    assert experiments(workspace.root) == {"rounds", "promotions", "audit"}
    assert not workspace.line.exists()


def test_reading_decides_nothing_and_creates_nothing(team: Team) -> None:
    workspace = team("new")
    assert champion(workspace.root) is None
    assert Registry(workspace.root).versions("policy") == []
    assert experiments(workspace.root) == set()
    assert not workspace.line.exists()


def test_choosing_a_line_does_not_create_the_workspaces_own_database(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = team("new")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert (lines.chosen(workspace.root), workspace.database.exists()) == (POLICY, False)
    with pytest.raises(BadWorkspace, match="in its own database"):
        lines.chosen(workspace.root, "help-desk-1a2b")


def test_the_first_round_on_a_server_begins_a_line_of_its_own(team: Team) -> None:
    workspace = team("help desk")
    line = settled(workspace)
    assert line.name == f"help-desk-{identity.made(workspace).id[:4]}"
    record = line_record(workspace)
    assert record is not None
    assert (record.line, record.salt) == (line.name, None)
    assert record.server == tracking.uri(workspace.root)
    assert settled(workspace) == line
    assert line_record(workspace) == record


def test_two_workspaces_of_one_name_and_first_digits_have_two_lines(team: Team) -> None:
    first, second = team("a"), team("b")
    for workspace, rest in ((first, "0" * 28), (second, "1" * 28)):
        own = identity.made(workspace).model_copy(update={"id": f"aaaa{rest}", "name": "same"})
        own.save(workspace.identity)
    assert settled(first).name == "same-aaaa"
    assert settled(second).name != "same-aaaa"
    assert settled(second).name.startswith("same-")


def test_a_workspace_of_an_earlier_release_keeps_the_line_of_its_rounds(
    surroundings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = unpacked(ARCHIVE, tmp_path / "old")
    server = shutil.move(old.database, tmp_path / "server.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{server}")
    assert champion(old.root) == "2"
    assert not old.line.exists()
    assert settled(old) == POLICY
    assert line_record(old) == LineRecord(line="policy", server=f"sqlite:///{server}")
    new = at(tmp_path / "new team")
    assert champion(new.root) is None
    assert settled(new).name.startswith("new-team-")
    assert champion(old.root) == "2"


def test_the_address_of_a_server_may_change(team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, recorded = team("begun"), team("recorded")
    names = settled(begun), finished_round(recorded, 0) and settled(recorded)
    moved = shutil.move(tmp_path / "server.db", tmp_path / "moved.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{moved}")
    assert (settled(begun), settled(recorded)) == names
    record = line_record(begun)
    assert record is not None
    assert record.server.endswith("moved.db")


@pytest.mark.parametrize(
    ("address", "recorded"),
    [
        ("https://ana:secret@mlflow.example:5000/base", "https://mlflow.example:5000/base"),
        ("postgresql://db/mlflow?password=secret", "postgresql://db/mlflow?password=***"),
    ],
)
def test_a_password_of_the_address_is_not_recorded(
    address: str, recorded: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    lines.note(Workspace(tmp_path), ModelLine("a-1"))
    record = line_record(Workspace(tmp_path))
    assert record is not None
    assert record.server == recorded


@pytest.mark.parametrize("text", ["garbage", "[1]", '[["host"]]', "[" * 5000])
def test_a_list_of_workspaces_that_somebody_edited_is_left_out(team: Team, text: str) -> None:
    begun = team("a")
    name = settled(begun)
    store = tracking.client(begun.root)
    for known in lines.every(store):
        store.set_experiment_tag(known.experiment, f"{lines.WORKSPACE}{'0' * 32}", text)
    assert settled(begun) == name


@cures(
    "tasks.tools.lines._check_no_rounds: set MLFLOW_TRACKING_URI",
    "tasks.tools.lines._check_no_rounds: rounds init FOLDER",
)
def test_rounds_that_the_server_does_not_have_are_no_new_line(
    rounds: Rounds, team: Team, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = team("a")
    finished_round(workspace, 0)
    server, line = tracking.uri(workspace.root), settled(workspace)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shutil.copyfile(empty_store, tmp_path / 'other.db')}")
    with pytest.raises(BadWorkspace, match="set MLFLOW_TRACKING_URI to") as refused:
        settled(workspace)
    assert experiments(workspace.root) == set()
    new = tmp_path / "new"
    assert rounds(*words(str(refused.value), "rounds init", FOLDER=str(new))[1:]).code == 0
    assert settled(Workspace(new)) != line
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert settled(workspace) == line


def test_a_line_that_a_kill_left_unrecorded_is_found_again(team: Team) -> None:
    workspace = team("a")
    line = settled(workspace)
    workspace.line.unlink()
    assert settled(workspace) == line
    assert [known.line for known in lines.every(tracking.client(workspace.root))] == [line]


def test_a_server_that_has_lost_the_line_does_not_begin_it_again(team: Team, tmp_path: Path, empty_store: Path) -> None:
    workspace = team("a")
    finished_round(workspace, 0)
    shutil.copyfile(empty_store, tmp_path / "server.db")
    with pytest.raises(BadWorkspace, match="from a backup"):
        settled(workspace)
    assert experiments(workspace.root) == set()


def test_a_copy_is_asked_before_it_changes_the_line(team: Team) -> None:
    original = team("original")
    finished_round(original, 0)
    finished_round(original, 1, expect="1")
    copy = copied(original, "copy")
    for act in (lambda: settled(copy), lambda: Registry(copy.root).rollback(None, "rude", "ana")):
        with pytest.raises(BadWorkspace, match=rf"{original.root}.*`rounds adopt {settled(original).name} -w .*init"):
            act()
    assert champion(copy.root) == "2"
    adoption.adopt(copy, settled(original).name)
    assert settled(copy) == settled(original)
    Registry(copy.root).rollback(None, "rude", "ana")
    assert champion(original.root) == "1"
    settled(original)


def test_a_rollback_of_another_machine_is_shown(team: Team) -> None:
    first, second = team("first"), team("second")
    finished_round(first, 0)
    finished_round(first, 1, expect="1")
    adoption.adopt(second, settled(first).name)
    Registry(second.root).rollback(None, "rude", "ana")
    registry = Registry(first.root)
    assert registry.recorded_rollback(registry.version("2")) == "rude"
    assert consistency.inspect(first, registry) == []
    registry.promote("2", "1", "the alarm was false", "ana", kind="force")
    registry = Registry(first.root)
    assert registry.recorded_rollback(registry.version("2")) is None


def test_a_copy_without_rounds_may_begin_its_own_line(team: Team) -> None:
    template = team("template")
    copy = copied(template, "copy")
    settled(template)
    with pytest.raises(BadWorkspace, match="rounds adopt --new"):
        settled(copy)
    own = adoption.begin_new(copy)
    assert own != settled(template)
    assert settled(copy) == own


def test_a_moved_workspace_goes_on(team: Team) -> None:
    original = team("original")
    finished_round(original, 0)
    line = settled(original)
    moved = Workspace(original.root.rename(original.root.parent / "moved"))
    assert settled(moved) == line
    [known] = lines.every(tracking.client(moved.root))
    assert [[place.root for place in places] for places in known.places.values()] == [[str(moved.root)]]


@pytest.mark.parametrize(("root", "asked"), [("same", False), ("/srv/rounds", True)])
def test_a_workspace_of_another_host_is_a_copy_unless_its_path_is_the_same(team: Team, root: str, asked: bool) -> None:
    """A container has a new host name at each start; a network disk has one path on every host."""
    workspace = team("a")
    elsewhere(workspace, lines.WorkspacePlace("another host", str(workspace.root) if root == "same" else root))
    if asked:
        with pytest.raises(BadWorkspace, match="another host"):
            settled(workspace)
    else:
        settled(workspace)


def test_without_a_workspace_the_only_line_is_used_and_of_several_one_is_named(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "nowhere"
    first, second = team("first"), team("second")
    finished_round(first, 0)
    one = settled(first)
    assert lines.chosen(nowhere) == one
    other = settled(second)
    with pytest.raises(NotFound, match=f"{one.name}, {other.name}"):
        lines.chosen(nowhere)
    assert lines.chosen(nowhere, other.name) == other
    monkeypatch.setenv("ROUNDS_LINE", one.name)
    assert lines.chosen(nowhere) == one
    with pytest.raises(NotFound, match=f"did you mean {other.name}"):
        lines.chosen(nowhere, other.name[1:])
    assert not nowhere.exists()


def test_a_workspace_is_not_used_for_another_line(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = team("first"), team("second")
    one, other = settled(first), settled(second)
    assert lines.chosen(first.root, one.name) == one
    with pytest.raises(BadWorkspace, match=other.name):
        lines.chosen(first.root, other.name)
    monkeypatch.setenv("ROUNDS_LINE", other.name)
    with pytest.raises(BadWorkspace, match=other.name):
        settled(first)
    with pytest.raises(BadWorkspace, match=f"rounds adopt {other.name}"):
        settled(team("third"))


@cures("tasks.tools.lines._check_choice: rounds adopt … -w …")
def test_a_workspace_without_rounds_joins_the_line_that_was_named(rounds: Rounds, team: Team) -> None:
    first, second = team("first"), team("second team")
    finished_round(first, 0)
    name = settled(first).name
    assert settled(second).name != name
    with pytest.raises(BadWorkspace) as refused:
        lines.chosen(second.root, name)
    assert rounds(*words(str(refused.value), "rounds adopt")[1:]).code == 0
    assert lines.chosen(second.root, name).name == name


@cures("tasks.tools.lines._check_choice: set MLFLOW_TRACKING_URI")
def test_the_line_of_a_server_is_not_in_a_local_database(
    team: Team, monkeypatch: pytest.MonkeyPatch, empty_store: Path
) -> None:
    first, second = team("first"), team("second")
    finished_round(first, 0)
    line, server = settled(first), tracking.uri(first.root)
    adoption.adopt(second, line.name)
    shutil.copyfile(empty_store, second.database)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(BadWorkspace, match="set MLFLOW_TRACKING_URI to that server"):
        lines.chosen(second.root, line.name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert lines.chosen(second.root, line.name) == line


def test_a_new_workspace_does_not_reach_into_the_only_line(team: Team) -> None:
    """Neither to read it nor to roll its champion back: it has not joined it."""
    first, second = team("first"), team("second")
    finished_round(first, 0)
    with pytest.raises(NotFound, match=settled(first).name):
        lines.chosen(second.root)
    assert lines.chosen(second.root, settled(first).name) == settled(first)


def test_on_a_prefect_server_every_line_has_a_name_of_its_own(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = team("first"), team("second")
    assert lines.label(first.root) == settled(first).name
    LineRecord(line="policy", server=tracking.uri(first.root)).save(first.line)
    assert lines.label(first.root) == "policy"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    labels = {lines.label(workspace.root) for workspace in (first, second)}
    assert len(labels) == 2
    assert "policy" not in labels
