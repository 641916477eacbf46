"""Two lines on one server, and one line from two workspaces."""

import shutil

import pytest

from core.errors import BadWorkspace, NotFound
from tasks.history.lineage import lineage, survey
from tasks.registry import adoption
from tasks.registry.alias import AliasConflict, Registry
from tasks.rounds import opening
from tasks.state import identity, metric_points
from tasks.state.line import line_record
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tests.commands import Rounds
from tests.cures import cures, words
from tests.teams import Team, champion, finished_round, settled

# SQLAlchemy 2.1 warns of how MLflow maps its tables
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_two_lines_have_their_own_champions_numbers_and_rounds(team: Team) -> None:
    help_desk, legal = team("help desk"), team("legal")
    for workspace in (help_desk, legal):
        assert champion(workspace.root) is None
        finished_round(workspace, 0)
    finished_round(help_desk, 1, expect="1")
    assert (champion(help_desk.root), champion(legal.root)) == ("2", "1")
    assert opening.next_number(legal, Registry(legal.root)) == 1
    Registry(help_desk.root).rollback(None, "rude", "ana")
    assert (champion(help_desk.root), champion(legal.root)) == ("1", "1")
    assert Registry(legal.root).cooling(3600) is None
    assert [past.number for past in survey(help_desk).rounds] == [0, 1]
    assert [past.number for past in survey(legal).rounds] == [0]
    with pytest.raises(NotFound):
        lineage(survey(legal), "policy/2")


def test_the_servers_names_carry_the_line(team: Team) -> None:
    workspace = team("help desk")
    finished_round(workspace, 0)
    own, store = identity.made(workspace), Registry(workspace.root).store
    name = f"help-desk-{own.id[:4]}"
    assert [model.name for model in store.search_registered_models()] == [f"{name}.policy"]
    experiments = {experiment.name for experiment in store.search_experiments()}
    assert experiments == {"Default", f"{name}.rounds", f"{name}.promotions", f"{name}.audit"}
    [traced] = lineage(survey(workspace), f"models:/{name}.policy/1").rounds
    assert [version.version for version in traced.versions] == ["policy/1"]


def test_a_second_machine_serves_the_line_that_it_adopts(team: Team) -> None:
    first, second = team("first"), team("second")
    finished_round(first, 0)
    name = settled(first).name
    assert adoption.adopt(second, name) == settled(first)
    assert champion(second.root) == "1"
    assert opening.next_number(second, Registry(second.root)) == 1
    assert identity.known_salt(second) == identity.made(first).salt != identity.made(second).salt

    held = Registry(first.root)  # compared with version 1, and promoted after the other machine has promoted
    finished_round(second, 1, expect="1")
    assert champion(first.root) == "2"
    with pytest.raises(AliasConflict):
        held.promote("1", "1", "better", "rounds")
    Registry(second.root).rollback(None, "rude", "ana")
    assert champion(first.root) == "1"


def test_a_line_is_adopted_before_the_first_round_only(team: Team) -> None:
    first, second = team("first"), team("second")
    finished_round(first, 0)
    finished_round(second, 0)
    with pytest.raises(BadWorkspace, match="rounds init"):
        adoption.adopt(second, settled(first).name)
    with pytest.raises(BadWorkspace, match="rounds init"):
        adoption.begin_new(second)
    assert champion(second.root) == "1"


@cures("tasks.registry.adoption._salt: rounds adopt …")
def test_a_line_without_a_finished_round_has_no_split_to_share(team: Team, rounds: Rounds) -> None:
    first, second = team("first"), team("second")
    name = settled(first).name
    with pytest.raises(NotFound, match="no finished round") as error:
        adoption.adopt(second, name)
    assert line_record(second) is None
    finished_round(first, 0)
    assert rounds(*words(str(error.value), "rounds adopt")[1:], "-w", second.root).code == 0
    assert champion(second.root) == "1"


def test_an_unknown_line_is_refused_with_the_others(team: Team) -> None:
    first = team("first")
    finished_round(first, 0)
    name = settled(first).name
    with pytest.raises(NotFound, match=f"did you mean {name}"):
        adoption.adopt(team("second"), name[:-1])


def test_a_workspace_that_adopted_by_mistake_begins_its_own_line(team: Team) -> None:
    first, second = team("first"), team("second")
    finished_round(first, 0)
    theirs = adoption.adopt(second, settled(first).name)
    own = adoption.begin_new(second)
    assert own.name.startswith("second-")
    assert champion(second.root) is None
    assert identity.known_salt(second) == identity.made(second).salt
    [_, known] = sorted(adoption.summaries(second), key=lambda summary: summary.current)
    assert known.name == own.name
    [left] = [summary for summary in adoption.summaries(second) if summary.name == theirs.name]
    assert [place.root for place in left.places] == [str(first.root)]


def test_the_lines_of_a_server_are_listed(team: Team) -> None:
    first, second = team("first"), team("second")
    finished_round(first, 0)
    settled(second)
    [one, other] = adoption.summaries(first)
    assert (one.round, one.champion, one.current) == (0, "1", True)
    assert (other.round, other.champion, other.current) == (None, None, False)
    assert [place.root for place in one.places] == [str(first.root)]


def test_a_local_database_has_nothing_to_adopt(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = team("alone")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    for act in (adoption.summaries, adoption.begin_new):
        with pytest.raises(BadWorkspace, match="MLFLOW_TRACKING_URI"):
            act(workspace)
    assert tracking.is_local(workspace.root)


def test_a_copy_does_not_end_the_open_round_of_the_original(team: Team) -> None:
    original = team("original")
    version = finished_round(original, 0)
    original.round.write_text("half")
    metric_points.begin(original.metrics, version.tags["round_key"])
    copy = Workspace(shutil.copytree(original.root, original.root.parent / "copy"))
    store = Registry(original.root).store
    with pytest.raises(BadWorkspace, match="is a copy"):
        opening.drop(copy)
    assert store.get_run(version.run_id).info.status == "RUNNING"
    opening.drop(original)
    assert store.get_run(version.run_id).info.status == "KILLED"
