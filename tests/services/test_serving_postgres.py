"""The serving app with its answers, feedback and keys on a real PostgreSQL server."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Connection, text
from starlette.testclient import TestClient

from feedback.store import answers, arrivals, database
from feedback.store.erasure import GONE
from feedback.votes import effective
from serving.app import create_app
from serving.context import Serving
from tasks.history import forgetting
from tasks.state import feedback_database
from tests.commands import Rounds
from tests.services import postgres
from tests.services.programs import hanging
from tests.serving import served
from tests.serving.served import PROMPT
from tests.workspaces import Furnish

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(postgres.programs() is None, reason="no PostgreSQL: apt-get install postgresql"),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]


@pytest.fixture
def serving(furnish: Furnish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """The parts of a server whose database is on a PostgreSQL server."""
    workspace = furnish(tmp_path / "workspace")
    served.make(workspace)
    with postgres.serving() as url:
        monkeypatch.setenv(feedback_database.ADDRESS, url)
        yield Serving.of(workspace, served.SETTINGS)


@pytest.fixture
def client(serving: Serving) -> Iterator[TestClient]:
    with TestClient(create_app(serving)) as opened:
        served.ready(serving)
        yield opened


def asked(client: TestClient, user: str) -> str:
    """The id of an answer to a person."""
    body = {"messages": PROMPT, "max_tokens": 12, "seed": 7, "user": user, "side_by_side": "policy/2"}
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


def give(client: TestClient, user: str, key: str, **record: Any) -> dict[str, Any]:
    """What became of one record."""
    body = {"user": user, "feedback": [record]}
    response = client.post("/v1/feedback", json=body, headers={"Idempotency-Key": key})
    assert response.status_code == 200, response.text
    [result] = response.json()["results"]
    return dict(result)


def test_chat_feedback_redaction_and_a_purge(serving: Serving, client: TestClient, rounds: Rounds) -> None:
    workspace, db = serving.workspace, serving.storage.database()
    assert client.get("/health/ready").json()["database"] == "ok"
    assert not workspace.feedback_database.exists()
    ids = {user: asked(client, user) for user in ("ana", "bo")}
    assert [answer.compared for answer in answers.of_completion(db, ids["ana"])] == ["2", "2"]

    first = give(client, "ana", "k1", completion_id=ids["ana"], preferred="left")
    assert give(client, "ana", "k1", completion_id=ids["ana"], preferred="left") == first
    second = give(client, "ana", "k2", completion_id=ids["ana"], preferred="right", supersedes=first["feedback_id"])
    assert second["result"] == "stored"
    assert (
        give(client, "bo", "k3", completion_id=ids["bo"], preferred="tie", supersedes=first["feedback_id"])["result"]
        == "refused"
    )
    kept = give(client, "bo", "k4", completion_id=ids["bo"], preferred="tie")
    counted = effective(arrivals.waiting_events(db, []))
    assert [event.feedback_id for event in counted] == [second["feedback_id"], kept["feedback_id"]]

    assert rounds("feedback", "redact", ids["bo"], "-w", workspace.root).code == 0
    redacted = answers.find(db, [ids["bo"]])[ids["bo"]]
    assert (redacted.text, redacted.annotator) == (GONE, GONE)

    found = {place.what: (place.number, place.where[:13]) for place in forgetting.look(workspace, "local:ana").places}
    assert found["events in the feedback database"] == (2, "postgresql://")
    assert found["answers of the server in the feedback database"] == (2, "postgresql://")
    forget = ("feedback", "forget", "--annotator", "local:ana", "--purge", "-w", workspace.root)
    done = rounds(*forget, "--yes")
    assert (done.code, "NOT removed" in done.out) == (0, False), done
    assert answers.of_completion(db, ids["ana"]) == []
    assert arrivals.waiting(db, []) == {kept["feedback_id"]}
    again = give(client, "ana", "k5", prompt="Is it open?", chosen="Yes, until six.", rejected="Why?")
    assert "has removed this person" in again["reason"]


def test_a_server_that_goes_away_and_comes_back_is_said_so(
    furnish: Furnish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = furnish(tmp_path / "workspace")
    with postgres.serving() as url:
        monkeypatch.setenv(feedback_database.ADDRESS, url)
        serving = Serving.of(workspace, served.SETTINGS)
        assert asyncio.run(serving.storage.problem()) is None
    problem = asyncio.run(serving.storage.problem())
    assert problem is not None
    assert "ROUNDS_FEEDBACK_DATABASE" in problem
    assert isinstance(serving.storage.database(), database.Database)
    serving.storage.close()


def test_a_server_that_hangs_takes_no_request_for_long(
    serving: Serving, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.storage, "_longest", 1.0)
    assert client.get("/v1/models").status_code == 200
    pid = serving.storage.database().read(
        lambda connection: connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    )
    postmaster = psutil.Process(pid).parent()
    assert postmaster is not None
    stopped = [postmaster, *postmaster.children()]
    try:
        for process in stopped:
            process.suspend()
        began = time.monotonic()
        for _ in range(3):
            refused = client.post("/v1/chat/completions", json={"messages": PROMPT, "max_tokens": 2})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_database")
        assert time.monotonic() - began < 30
    finally:
        for process in stopped:
            process.resume()
    served.until(lambda: client.get("/v1/models").status_code == 200)


def test_a_lock_of_another_process_and_a_server_that_never_answers_are_given_up(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_DURABLE", text("SELECT set_config('lock_timeout', '100ms', true)"))
    db = serving.storage.database()
    lock = text("LOCK TABLE feedback_events IN EXCLUSIVE MODE")

    def other(connection: Connection) -> None:
        connection.execute(lock)
        with pytest.raises(database.NoDatabase, match="lock timeout; wait for the process that keeps the lock"):
            db.write(lambda second: second.execute(lock))

    db.write(other)
    monkeypatch.setattr(database, "_WAITS", {**database._WAITS, "connect_timeout": 2})
    with hanging() as port, pytest.raises(database.NoDatabase, match="ROUNDS_FEEDBACK_DATABASE"):
        database.connect(f"postgresql://rounds@127.0.0.1:{port}/postgres")
