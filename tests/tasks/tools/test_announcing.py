"""Live feedback on the champion is announced: once until a watch begins, when there is enough of it, and no other."""

import logging
import os
import threading
import time
from pathlib import Path

import pytest

from core.files import write_json
from feedback.schema import Judgement
from tasks.registry.alias import Registry
from tasks.state.choosing import at
from tasks.state.workspace import Workspace
from tasks.tools import announcing, prefect_api
from tasks.tools.announcing import LOST, announce, begin_watch
from tasks.tools.receiving import receive
from tasks.watch import watch
from tests.feedback.examples import event, reply
from tests.tasks.registry.test_registry import with_champion_2
from tests.tasks.tools.prefect_server import PrefectServer

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


Server = PrefectServer[tuple[str, str]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(announcing, "GATHERED", 0.0)
    return Server(lambda name, payload: (name, payload["champion"])).connected(monkeypatch)


@pytest.fixture
def workspace(home: Path, tmp_path: Path) -> Workspace:
    """A workspace whose champion is version 2, which took over from version 1; the guards need three judgements."""
    furnished = at(tmp_path / "furnished")
    for name in ("dvc.yaml", "params.yaml"):
        (home / name).write_bytes((furnished.root / name).read_bytes())
    with_champion_2(home)
    workspace = Workspace(home)
    write_json(workspace.watched("guards"), {"minimum": 3})
    return workspace


def judge(workspace: Workspace, *people: str, version: str = "2") -> None:
    """Each of them gives an answer of the version thumbs down; returns when the thread has looked at it."""
    answers = (reply("Soon.", model="policy", model_version=version),)
    judgements = (Judgement(scores=(0.0,)),)
    for person in people:
        thumb = event(kind="binary", native=f"{person} {version}", responses=answers, judgements=judgements)
        assert receive(workspace, [thumb], person, attributed=True).new == 1
        looked()


def looked() -> None:
    for thread in threading.enumerate():
        if thread.name == "announcing":
            thread.join()


def test_enough_judgements_of_the_champion_are_announced(workspace: Workspace, server: Server) -> None:
    judge(workspace, "ana", "bo")
    assert server.took == []
    judge(workspace, "cy")
    assert server.took == [("feedback.on_champion", "2")]


def test_nothing_more_is_announced_before_a_watch_begins(workspace: Workspace, server: Server) -> None:
    judge(workspace, "ana", "bo", "cy", "di", "ed")
    assert len(server.took) == 1
    begin_watch(workspace)
    assert len(server.took) == 1, "only new feedback is announced"
    judge(workspace, "flo", "gus")
    assert len(server.took) == 2


def test_feedback_on_other_versions_is_not_announced(workspace: Workspace, server: Server) -> None:
    judge(workspace, "ana", "bo", "cy", version="1")
    judge(workspace, "di", "ed", version="2")
    assert server.took == []
    judge(workspace, "flo", version="2")
    begin_watch(workspace)
    judge(workspace, "gus", version="1")
    assert len(server.took) == 1, "the champion has enough judgements, but no new one"


def test_after_a_rollback_the_new_champion_counts(workspace: Workspace, server: Server) -> None:
    judge(workspace, "ana", "bo", version="1")
    Registry(workspace.root).rollback(None, "rude", "ana")
    judge(workspace, "cy", version="1")
    assert server.took == [("feedback.on_champion", "1")]


def test_without_a_watch_feedback_is_announced_again_after_ten_minutes(workspace: Workspace, server: Server) -> None:
    server.away = True
    judge(workspace, "ana", "bo", "cy", "di")
    assert len(server.took) == 1, "a server that is away is not asked for each record"
    before = time.time() - LOST - 1
    os.utime(workspace.watched("announced"), (before, before))
    judge(workspace, "ed", "flo")
    assert len(server.took) == 2


def test_of_two_processes_one_announces(workspace: Workspace, server: Server) -> None:
    judge(workspace, "ana", "bo", "cy")
    assert not announce(workspace, {"2"})
    assert len(server.took) == 1


def test_a_slow_server_does_not_slow_the_storing_of_feedback(workspace: Workspace, server: Server) -> None:
    server.released.clear()
    answers = (reply("Soon.", model="policy", model_version="2"),)
    for person in ("ana", "bo", "cy", "di", "ed"):
        thumb = event(kind="binary", native=person, responses=answers, judgements=(Judgement(scores=(0.0,)),))
        assert receive(workspace, [thumb], person, attributed=True).new == 1
    assert server.took == []
    server.released.set()
    looked()
    assert len(server.took) == 1


def test_a_registry_that_does_not_answer_is_a_line_in_the_log(
    workspace: Workspace, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    workspace.database.write_bytes(b"no database" * 100)
    with caplog.at_level(logging.WARNING):
        judge(workspace, "ana")
    assert "live feedback on the champion was not announced" in caplog.text
    assert server.took == []


def test_without_a_server_nothing_is_asked(
    workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefect_api, "configured", lambda: False)
    judge(workspace, "ana", "bo", "cy")
    assert (server.took, workspace.watched("announced").exists()) == ([], False)


def test_a_watch_sees_what_was_stored_before_it_and_notes_what_the_guards_need(
    workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first watch: nothing has noted yet how many judgements the guards need, so one is announced."""
    monkeypatch.setattr(watch, "configured", lambda: False)
    workspace.watched("guards").unlink()
    judge(workspace, "ana")
    assert len(server.took) == 1
    assert watch.watch_guards(workspace).title == "live feedback: no alarm; champion is version 2"
    assert not workspace.watched("announced").exists()
    judge(workspace, "bo")
    assert len(server.took) == 1, "the guard harm needs three people"
    judge(workspace, "cy")
    assert len(server.took) == 2
