"""The cures of errors of feedback, typed as they are printed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from core.errors import BadFeedback, Damaged
from feedback.schema import event_id
from feedback.store import arrivals
from feedback.store import cures as database_cures
from flows import round as flow
from tasks.rounds import opening
from tasks.rounds.running import RunningRound
from tasks.state import feedback_database, records
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace
from tasks.steps.collect import collect
from tasks.steps.ingest import ingest
from tests.commands import Rounds
from tests.cures import cures, words
from tests.feedback.examples import vote
from tests.feedback.store.late import NOW
from tests.profile import HOLD, TINY
from tests.workspaces import settle

GOOD = {"prompt": "Where is my lamp?", "chosen": "On Monday.", "rejected": "Gone."}


@pytest.mark.parametrize(
    "record",
    [
        {"ask": "Where?", "first": "Here.", "second": "There."},
        {**GOOD, "history": [{"role": "user", "content": "Hello."}]},
        {"prompt": "Where?", "completion": "Here.", "stars": 1},
    ],
    ids=["unknown", "a part of the prompt", "a mark"],
)
@cures("feedback.layouts._MAP: rounds feedback inspect FILE")
def test_a_file_of_no_known_form(
    rounds: Rounds, workspace: Workspace, tmp_path: Path, record: dict[str, object]
) -> None:
    file = tmp_path / "it's mine.jsonl"
    file.write_text(json.dumps(record) + "\n")
    refused = rounds("feedback", "import", file, "-w", workspace.root)
    assert refused.code == 2
    inspected = rounds(*words(refused.err, "rounds feedback inspect", FILE=str(file))[1:])
    assert (inspected.code, "map.yaml" in inspected.out) == (0, True)


@pytest.mark.parametrize(
    ("encoding", "begins"), [("utf-16", "iconv -f UTF-16"), ("cp1252", "iconv -f WINDOWS-1252"), ("json", "jq")]
)
@cures(
    "feedback.packaging.kinds._FOREIGN: iconv -f UTF-16 -t UTF-8",
    "feedback.packaging.kinds._delimited: iconv -f WINDOWS-1252 -t UTF-8",
    "feedback.packaging.kinds._FOREIGN: jq -c .",
)
def test_a_file_that_another_program_converts(
    rounds: Rounds, workspace: Workspace, tmp_path: Path, encoding: str, begins: str
) -> None:
    if shutil.which(begins.split()[0]) is None:
        pytest.skip(f"{begins.split()[0]} is not installed")
    file, converted = tmp_path / "votes", tmp_path / "converted"
    table = "prompt,chosen,rejected,größe\nWo ist das Café?,Hier.,Dort.,3\n"
    file.write_bytes(json.dumps(GOOD, indent=2).encode() if encoding == "json" else table.encode(encoding))
    refused = rounds("feedback", "import", file, "-w", workspace.root)
    assert refused.code == 2
    with converted.open("wb") as stream:
        subprocess.run([*words(refused.err, begins), str(file)], stdout=stream, check=True)
    done = rounds("feedback", "import", converted, "-w", workspace.root)
    assert (done.code, "Took in 1 record" in done.out) == (0, True)


@cures("feedback.superseding.problem: rounds feedback import FILE --trust")
def test_a_record_that_supersedes_an_event_of_another_annotator(
    rounds: Rounds, workspace: Workspace, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_text(json.dumps(GOOD | {"source": "desk", "source_id": "1", "annotator_id": "bo"}) + "\n")
    assert rounds("feedback", "import", first, "-w", workspace.root).code == 0
    second.write_text(json.dumps(GOOD | {"annotator_id": "eve", "supersedes": event_id("desk", "1", "bo")}) + "\n")
    refused = rounds("feedback", "import", second, "-w", workspace.root)
    assert refused.code == 2
    command = words(refused.err, "rounds feedback import", FILE=str(second))
    done = rounds(*command[1:], "-w", workspace.root)
    assert (done.code, "Took in 1 record" in done.out) == (0, True), done


@pytest.fixture
def settled(continued: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Rounds 0 and 1 are finished. The next round ends after `ingest`, whose errors are the subject here."""

    def ingested(running: RunningRound) -> RoundRecord:
        running(collect)
        running(ingest)
        return records.read(continued, 1)

    monkeypatch.setattr(flow, "improve", ingested)
    return settle(continued, *TINY, HOLD)


@cures("tasks.steps.ingest._check_counts: rounds round --reopen")
@pytest.mark.usefixtures("prefect")
def test_a_source_with_too_many_records_that_cannot_be_used(rounds: Rounds, settled: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    bad = [json.dumps({**GOOD, "rejected": 7}) + "\n" for _ in range(50)]
    file.write_text("".join([json.dumps(GOOD) + "\n", *bad]))
    settle(settled, f"ingest.sources=[{{use: simulated, demonstrations: 250}}, {{use: jsonl, path: {file}}}]")
    failed = rounds("round", "--new", "-w", settled.root)
    assert (failed.code, "ingest.rejected_limit=0.3" in failed.err) == (2, True)
    settle(settled, "ingest.rejected_limit=1")
    done = rounds(*words(failed.err, "rounds round --reopen")[1:])
    assert done.code == 0, done
    assert records.coming(settled) == 2


@cures(
    "feedback.store.arrivals.claimed: rounds round --reopen",
    "feedback.store.arrivals.claimed: set ROUNDS_FEEDBACK_DATABASE",
)
@pytest.mark.usefixtures("prefect")
def test_events_that_are_no_longer_those_that_were_claimed(
    rounds: Rounds, settled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with feedback_database.opened(settled) as database:
        arrivals.put(database, [vote("1", annotator_id="ana"), vote("2", annotator_id="bo")], settled.feedback, NOW)
    opening.start(settled, [])
    monkeypatch.setenv("ROUNDS_FEEDBACK_DATABASE", f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(Damaged, match="set ROUNDS_FEEDBACK_DATABASE as it was then"):
        arrivals_of(settled)
    monkeypatch.delenv("ROUNDS_FEEDBACK_DATABASE")
    assert len(arrivals_of(settled)) == 2
    with feedback_database.opened(settled) as database:
        arrivals.erase(database, "bo", write=True)
    failed = rounds("round", "-w", settled.root)
    assert (failed.code, "claimed other events" in failed.err) == (2, True)
    done = rounds(*words(failed.err, "rounds round --reopen")[1:])
    assert done.code == 0, done
    assert len(arrivals_of(settled)) == 1


def arrivals_of(workspace: Workspace) -> list[object]:
    from tasks.state import round as rounds_

    return [*feedback_database.claimed(rounds_.read(workspace))]


@cures(
    "tasks.steps.ingest.ingest: -S ingest.sources=[…]",
    "tasks.steps.ingest.ingest: rounds feedback import FILE",
)
def test_a_round_without_any_feedback(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    settle(workspace, *TINY, "ingest.sources=[]")
    running = opening.start(workspace, [])
    running(collect)
    with pytest.raises(BadFeedback) as failure:
        running(ingest)
    assert "-S ingest.sources=[…]" in str(failure.value)
    file = tmp_path / "votes.jsonl"
    file.write_text(json.dumps(GOOD) + "\n" + json.dumps({"prompt": "Hi", "completion": "Hello."}) + "\n")
    for overrides in ([f"ingest.sources=[{{use: jsonl, path: {file}}}]"], []):
        if not overrides:
            cure = words(str(failure.value), "rounds feedback import", FILE=str(file))
            assert rounds(*cure[1:], "-w", workspace.root).code == 0
        opening.drop(workspace)
        running = opening.start(workspace, overrides)
        running(collect)
        running(ingest)


@cures(
    "tasks.steps.sft.NO_DEMONSTRATIONS: -S model.base=FOLDER",
    "tasks.steps.sft.NO_DEMONSTRATIONS: -S curate.chosen_as_demonstrations=true",
)
def test_a_new_model_without_demonstrations(
    rounds: Rounds, finished: Workspace, workspace: Workspace, tmp_path: Path
) -> None:
    settle(workspace, *TINY, "ingest.sources=[]")
    file = tmp_path / "votes.jsonl"
    file.write_text("".join(json.dumps({**GOOD, "prompt": f"Where is lamp {number}?"}) + "\n" for number in range(30)))
    rounds("feedback", "import", file, "-w", workspace.root)
    failed = rounds("plan", "-w", workspace.root)
    assert failed.code == 2
    for override in ("model.base=FOLDER", "curate.chosen_as_demonstrations=true"):
        assert f"-S {override}" in " ".join(failed.err.split())
        filled = override.replace("FOLDER", str(finished.checkpoint("sft")))
        planned = rounds("plan", "-w", workspace.root, "-S", filled)
        assert planned.code == 0, planned


@cures("tasks.rounds.foresight.check: -S model.base=FOLDER")
def test_prompts_that_the_template_of_the_base_model_refuses(
    rounds: Rounds, finished: Workspace, workspace: Workspace, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(finished.checkpoint("sft"), base)
    (base / "chat_template.jinja").write_text("{{ raise_exception('no prompts at all') }}")
    settle(workspace, *TINY, "ingest.sources=[]", f"model.base={base}")
    file = tmp_path / "votes.jsonl"
    file.write_text(json.dumps(GOOD) + "\n")
    rounds("feedback", "import", file, "-w", workspace.root)
    failed = rounds("plan", "-w", workspace.root)
    assert (failed.code, "-S model.base=FOLDER" in failed.err) == (2, True), failed
    assert rounds("plan", "-w", workspace.root, "-S", f"model.base={finished.checkpoint('sft')}").code == 0


@cures("feedback.store.cures.cure: set …")
def test_a_database_server_that_does_not_run(
    rounds: Rounds, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = database_cures.cure("postgresql", "connection refused")
    assert "set ROUNDS_FEEDBACK_DATABASE to one that runs" in message
    monkeypatch.setenv("ROUNDS_FEEDBACK_DATABASE", f"sqlite:////{tmp_path}/feedback.db")
    assert rounds("feedback", "stats", "-w", workspace.root).code == 0
    assert os.environ["ROUNDS_FEEDBACK_DATABASE"].endswith("feedback.db")
