"""`rounds feedback forget` on whole rounds: what learned, what the next round leaves out, and what a purge leaves.

Whole rounds: only they have caches, reports, records and versions to look into.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedback import store
from feedback.store import arrivals
from tasks.history import forgetting, purging
from tasks.registry import audit
from tasks.state import feedback_database, records, tables
from tasks.state.workspace import Workspace, table
from tests.commands import Rounds
from tests.cures import cures, words
from tests.feedback.examples import vote
from tests.feedback.store.late import NOW
from tests.flows.feedback_files import imported
from tests.profile import HOLD, TINY
from tests.workspaces import moved, run_round, settle

pytestmark = pytest.mark.rounds

ANA = "ana-4711"
REACHED = ("mlruns", "mlflow.db")
"""What the command names as out of reach."""


def records_of(name: str, count: int) -> list[dict[str, object]]:
    asked = [f"Where is parcel {number} of {name}?" for number in range(count)]
    votes: list[dict[str, object]] = [
        {"prompt": text, "chosen": f"In {name}'s street.", "rejected": f"Gone, {name}."} for text in asked
    ]
    shown: list[dict[str, object]] = [
        {"prompt": f"What does {name} want?", "completion": f"The lamp of {name}, please."}
    ]
    return [record | {"annotator_id": name, "source_id": str(n)} for n, record in enumerate([*votes, *shown])]


@pytest.fixture(scope="module")
def learned(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Round 2 has ingested feedback of Ana and Bo; more of Ana's waits. Read-only."""
    workspace = moved(finished, tmp_path_factory.mktemp("learned") / "workspace")
    imported(workspace, "0123456789abcdef.jsonl", [record for name in (ANA, "bo") for record in records_of(name, 20)])
    run_round(workspace, [*TINY, HOLD])
    imported(workspace, "fedcba9876543210.jsonl", [records_of(ANA, 30)[25]])
    with feedback_database.opened(workspace) as database:
        late = vote("late", annotator_id=ANA, question=f"Is {ANA} late?")
        arrivals.put(database, [late, vote("kept", annotator_id="bo")], workspace.feedback, NOW)
    return workspace


@pytest.fixture
def workspace(learned: Workspace, tmp_path: Path) -> Workspace:
    return moved(learned, tmp_path / "workspace")


def decoded(path: Path) -> str:
    """The content of a file as text; tables as JSON."""
    if path.suffix == ".parquet" or path.read_bytes().startswith(b"PAR1"):
        return json.dumps(pq.read_table(path).to_pylist(), default=str)
    if path.suffix == ".arrow" or path.read_bytes().startswith(b"\xff\xff\xff\xff"):
        return json.dumps(pa.ipc.open_stream(path.read_bytes()).read_all().to_pylist(), default=str)
    return path.read_bytes().decode(errors="replace")


def with_traces(workspace: Workspace) -> Iterator[str]:
    """Files of the workspace that have Ana's id, which is also in every text of hers."""
    for file in sorted(workspace.root.rglob("*")):
        name = file.relative_to(workspace.root).as_posix()
        if file.is_file() and not name.startswith(REACHED) and ANA in decoded(file):
            yield name


def trained_on(workspace: Workspace) -> str:
    """Everything that the models of the last round saw."""
    folders = (workspace.preferences, workspace.demonstrations, workspace.prompts)
    return "".join(decoded(file) for folder in folders for file in sorted(folder.glob("*.arrow")))


def test_by_default_the_command_says_what_it_is_about_and_changes_nothing(rounds: Rounds, workspace: Workspace) -> None:
    assert ANA in trained_on(workspace)
    before = sorted(with_traces(workspace))
    result = rounds("feedback", "forget", "--annotator", ANA, "--purge", "-w", workspace.root)
    assert result.code == 0, result.err
    assert f"Feedback of '{ANA}' was taken in by round 2." in result.out
    assert "policy/3, round 2: trained on it" in result.out
    assert "reward/2, round 2: trained on it" in result.out
    assert "The newest policy version that did not: policy/2." in result.out
    assert "21 stored events" in " ".join(result.out.split())
    assert "1 events in the feedback database" in " ".join(result.out.split())
    assert "Nothing was changed; use --yes to purge." in result.out
    assert sorted(with_traces(workspace)) == before
    assert not workspace.tombstones.exists()


def test_the_next_round_trains_on_nothing_of_a_forgotten_annotator(rounds: Rounds, workspace: Workspace) -> None:
    result = rounds("feedback", "forget", "--annotator", ANA, "--yes", "--by", "cem", "-w", workspace.root)
    assert (result.code, "Forgotten since 20" in result.out) == (0, True), result.err
    assert rounds("feedback", "forget", "--annotator", ANA, "--yes", "-w", workspace.root).code == 0
    [entry] = [entry for entry in audit.read(workspace.audit) if entry.event == forgetting.FORGET]
    assert (entry.who, entry.facts["rounds"], audit.verify(workspace.audit)) == ("cem", [2], [])
    decided = rounds("feedback", "forget", "--annotator", "cem", "-w", workspace.root).out
    assert "audit.jsonl and its copy in MLflow name the annotator" in " ".join(decided.split())
    assert "annotators were forgotten since then: 1" in rounds("plan", "-w", workspace.root, "-S", HOLD).out
    record = run_round(workspace, [*TINY, HOLD])
    assert (record.number, len(record.inputs.forgotten)) == (3, 1)
    assert ANA not in trained_on(workspace)
    assert "bo" in {row["annotator"] for row in tables.rows(table(workspace.preferences, "votes"))}
    by = {event.annotator_id for event in store.events(workspace.feedback, {3})}
    assert ANA not in by
    assert "bo" in by
    assert ANA in {event.annotator_id for event in store.events(workspace.feedback)}, "the parts are as they were"
    again = rounds("feedback", "forget", "--annotator", ANA, "-w", workspace.root).out
    assert "The newest policy version that did not: policy/4." in again, "round 3 started from policy/2"


def test_a_purge_leaves_nothing_that_it_does_not_name(
    rounds: Rounds, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(store.ids(workspace.feedback))
    killed(workspace, monkeypatch)
    result = rounds("feedback", "forget", "--annotator", ANA, "--purge", "--yes", "-w", workspace.root)
    assert result.code == 0, result.err
    assert [*with_traces(workspace)] == []
    assert len(store.ids(workspace.feedback)) == count - 21
    assert "Rounds from 2 on can no longer be replayed." in result.out
    assert "MLflow" in result.out
    with feedback_database.opened(workspace) as database:
        assert arrivals.waiting(database, [0, 1, 2]) == {vote("kept", annotator_id="bo").feedback_id}
    refused = rounds("replay", 2, "--into", workspace.root.parent / "replay", "-w", workspace.root)
    assert (refused.code, "cannot be replayed: feedback that it read was purged on 20" in refused.err) == (2, True)
    assert "feedback that it read, on 20" in rounds("lineage", "2", "-w", workspace.root).out
    for command in (("status",), ("lineage", "2"), ("show", "2"), ("plan",), ("gc",), ("audit", "verify"), ("params",)):
        done = rounds(*command, "-w", workspace.root)
        assert done.code == 0, done.err
    record = run_round(workspace, [*TINY, HOLD])
    assert ANA not in trained_on(workspace)
    assert records.read(workspace, 3) == record
    assert [*with_traces(workspace)] == []


def killed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge that is killed before each of its places in turn."""
    for name in purging.PLACES:
        with monkeypatch.context() as patch:
            where, _ = purging.PLACES[name]
            patch.setitem(purging.PLACES, name, (where, stop))
            with pytest.raises(KeyboardInterrupt):
                forgetting.purge(workspace, ANA, "cem", "asked")
    assert ANA in {event.annotator_id for event in store.events(workspace.feedback)}, "the parts come last"


def stop(*_: object) -> int:
    raise KeyboardInterrupt


def test_unknown_people_cannot_be_forgotten_and_an_open_round_keeps_its_feedback(
    rounds: Rounds, workspace: Workspace
) -> None:
    result = rounds("feedback", "forget", "--annotator", "unknown", "--yes", "-w", workspace.root)
    assert (result.code, "not one person" in result.err) == (2, True)
    workspace.record(2).unlink()
    result = rounds("feedback", "forget", "--annotator", ANA, "--purge", "--yes", "-w", workspace.root)
    assert (result.code, "round 2 is open" in result.err) == (2, True)
    assert not workspace.tombstones.exists()
    result = rounds("feedback", "forget", "--annotator", ANA, "--yes", "-w", workspace.root)
    assert "Round 2 is open and still reads it" in result.out


@cures(
    "tasks.history.forgetting._check_closed: rounds round",
    "tasks.history.forgetting._check_closed: rounds round --reopen",
    "cli.display.forgotten._outcome: rounds round --reopen",
    "cli.display.forgotten._advice: rounds round -S policy.start=sft",
    "cli.display.forgotten._advice: rounds rollback --to … --reason …",
)
@pytest.mark.usefixtures("prefect")
def test_the_commands_that_forgetting_prints_can_be_typed(rounds: Rounds, workspace: Workspace) -> None:
    """The closing of round 2, and one whole round: it reads the feedback again, without the forgotten."""
    where, command = ("-w", workspace.root), ("feedback", "forget", "--annotator", ANA, "--yes", "-w", workspace.root)
    settle(workspace, *TINY, HOLD)
    workspace.record(2).unlink()
    refused = rounds(*command, "--purge")
    assert rounds(*words(refused.err, "rounds round")[1:]).code == 0
    workspace.record(2).unlink()
    forgotten = rounds(*command)
    cure = words(forgotten.out, "rounds round --reopen")
    assert cure == words(refused.err, "rounds round --reopen")
    done = rounds(*cure[1:])
    assert done.code == 0, done
    assert ANA not in trained_on(workspace)
    rounds("promote", "3", "--reason", "for the test", *where)
    shown = rounds("feedback", "forget", "--annotator", ANA, *where).out
    restart = words(shown, "rounds round -S policy.start=sft")
    assert rounds("plan", *restart[2:]).code == 0
    back = words(shown, "rounds rollback", dots="it learned from Ana")
    assert rounds(*back[1:]).code == 0
    assert "The champion" not in rounds("feedback", "forget", "--annotator", ANA, *where).out
