import json
import sqlite3
from contextlib import closing

from feedback import store
from feedback.schema import RejectedRecord
from tasks.state import feedback_database, identity
from tasks.state.workspace import Workspace
from tests.tasks.doctor.cures import diagnoses
from tests.workspaces import moved


def test_a_database_of_another_workspace(workspace: Workspace) -> None:
    with feedback_database.opened(workspace):
        pass
    assert diagnoses("feedback_store", workspace) == []
    before = workspace.identity.read_text()
    own = identity.made(workspace).id
    workspace.identity.write_text(json.dumps({**json.loads(before), "id": "0" * 32}))
    [found] = diagnoses("feedback_store", workspace)
    assert (found.severity, own in found.text) == ("error", True)
    workspace.identity.write_text(before)
    assert diagnoses("feedback_store", workspace) == []


def test_a_damaged_database(workspace: Workspace) -> None:
    workspace.feedback_database.write_bytes(b"no database" * 1000)
    assert [found.severity for found in diagnoses("feedback_store", workspace)] == ["error"]


def test_a_database_of_an_earlier_version_is_noted_and_not_migrated(workspace: Workspace) -> None:
    with closing(sqlite3.connect(workspace.feedback_database)) as old:
        old.execute("create table feedback_schema_version (version_num text)")
        old.execute("insert into feedback_schema_version values ('0001')")
        old.commit()
    before = workspace.feedback_database.read_bytes()
    assert [found.severity for found in diagnoses("feedback_store", workspace)] == ["note"]
    assert workspace.feedback_database.read_bytes() == before


def test_many_records_in_quarantine(finished: Workspace, tmp_path_factory: object) -> None:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        workspace = moved(finished, Path(folder) / "copy")
        assert diagnoses("feedback_store", workspace) == []
        bad = [RejectedRecord(source="s", where=str(number), reason="r", record="{}") for number in range(300)]
        store.quarantine(workspace.feedback, bad, 1)
        assert [found.severity for found in diagnoses("feedback_store", workspace)] == ["warning"]
