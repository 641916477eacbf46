"""`rounds label …`."""

import json
from datetime import UTC, datetime
from pathlib import Path

from feedback import pairs
from feedback.labels import LabelJudgement
from feedback.schema import Message, Response
from feedback.sources import AnswerPair
from feedback.store import answers
from feedback.store.answers import ServedAnswer
from tasks.people import label_filling, label_quality, labelling
from tasks.people.label_settings import LabelSettings
from tasks.state import feedback_database
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
PROMPT = (Message(role="user", content="Where?"),)


def response(name: str, text: str) -> Response:
    return Response(response_id=name, messages=(Message(role="assistant", content=text),), model_version="3")


def written(folder: Path, *records: dict[str, object]) -> Path:
    file = folder / "records.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


@cures("cli.label.progress: rounds label add")
def test_a_queue_is_filled_judged_looked_at_and_removed(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    here = ("-w", workspace.root)
    nothing = rounds("label", "progress", *here)
    file = written(tmp_path, {"prompt": "Where?", "responses": ["Here.", "There."]}, {"prompt": "Who?", "chosen": "I."})
    refused = rounds("label", "add", file, *here)
    assert (refused.code, "records.jsonl:2:" in refused.err, "nothing was added" in refused.err) == (2, True, True)
    file = written(tmp_path, {"prompt": "Where?", "responses": ["Here.", "There."]})
    added = rounds(*words(nothing.out, "rounds label add")[1:], file, "--overlap", "2", *here)
    assert added.out == "Added 1 item to the labelling queue main.\n", added.err
    again = rounds("label", "add", file, *here)
    assert again.out == "Added 0 items to the labelling queue main. Already there: 1 item.\n"
    gold = written(tmp_path, {"prompt": "Who?", "chosen": "I.", "rejected": "You."})
    assert "Added 1 gold item" in rounds("label", "add", gold, "--gold", *here).out
    [state] = json.loads(rounds("label", "progress", "--json", *here).out)
    assert state == {"name": "main", "items": 1, "gold": 1, "wanted": 2, "finished": 0, "held": 0}
    assert "Nobody has judged" in rounds("label", "annotators", *here).out
    settings = LabelSettings(gold=0.5)
    with feedback_database.opened(workspace) as database:
        for name in ("ana", "bob"):
            while task := labelling.take(workspace, database, settings, name):
                said = LabelJudgement(preferred="left")
                labelling.judge(workspace, database, settings, name, task.id, said)
    assert "2" in rounds("label", "progress", *here).out
    listed = rounds("label", "annotators", *here).out
    assert "ana" in listed
    found = json.loads(rounds("label", "annotators", "--json", *here).out)
    assert [quality["judged"] for quality in found] == [1, 1]
    assert rounds("label", "remove", "maim", *here).err.endswith("there are: main\n")
    assert "use --yes to remove it" in rounds("label", "remove", "main", *here).out
    assert "Removed the labelling queue main" in rounds("label", "remove", "main", "--yes", *here).out
    assert label_filling.queues(workspace) == []
    assert len(label_quality.annotators(workspace)) == 2, "what was judged stays"


def test_collected_answers_are_added_once(rounds: Rounds, workspace: Workspace) -> None:
    here = ("-w", workspace.root)
    none = rounds("label", "add", "--collected", *here)
    assert (none.code, "add the source label_page to ingest.sources" in none.err) == (2, True)
    texts = [response(f"round-4-{name}", text) for name, text in (("a", "Here."), ("b", "There."), ("c", "Nowhere."))]
    every = [(0, 1), (0, 2), (1, 2)]
    pairs.write(workspace.answers, [AnswerPair(f"p{a}{b}", PROMPT, (texts[a], texts[b])) for a, b in every])
    assert "Added 3 items" in rounds("label", "add", "--collected", *here).out
    rated = rounds("label", "add", "--collected", "--kind", "rating", "--queue", "stars", *here)
    assert "Added 3 items to the labelling queue stars" in rated.out
    written_ = rounds("label", "add", "--collected", "--kind", "demonstration", "--queue", "texts", *here)
    assert "Added 1 item " in written_.out


@cures("tasks.people.label_filling.served: --consent")
def test_answers_of_the_server_are_added_with_the_consent_of_who_asked(rounds: Rounds, workspace: Workspace) -> None:
    here = ("-w", workspace.root)
    with feedback_database.opened(workspace) as database:
        answers.put(
            database,
            [
                ServedAnswer(
                    response_id=f"r{choice}",
                    completion="c",
                    choice=choice,
                    annotator="shop:bo",
                    version="3",
                    prompt=PROMPT,
                    text=text,
                    finish="stop",
                    prompt_tokens=1,
                    tokens=1,
                    asked_at=NOW,
                    answered_at=NOW,
                    consent="contract",
                    compared="sample",
                )
                for choice, text in enumerate(("Here.", "There."))
            ],
        )
    refused = rounds("label", "add", "--served", *here)
    assert refused.code == 2
    assert words(refused.err, "--consent") == ["--consent"]
    added = rounds("label", "add", "--served", "--consent", "contract", *here)
    assert "Added 1 item " in added.out, added.err
    with feedback_database.opened(workspace) as database:
        task = labelling.take(workspace, database, LabelSettings(gold=0, repeats=0), "ana")
        assert task is not None
        labelling.judge(workspace, database, LabelSettings(), "ana", task.id, LabelJudgement(preferred="tie"))
    [event] = feedback_database.waiting_events(workspace)
    assert (event.consent, [answer.model_version for answer in event.responses]) == ("contract", ["3", "3"])


def test_what_is_added_is_said_once(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    here = ("-w", workspace.root)
    file = written(tmp_path, {"prompt": "Where?"})
    for words_ in ((), (file, "--served"), ("--collected", "--served")):
        refused = rounds("label", "add", *words_, *here)
        assert (refused.code, "give files, or --collected, or --served" in refused.err) == (2, True)
    assert "--gold is for files" in rounds("label", "add", "--collected", "--gold", *here).err
    workspace.serving.write_text("label: {overlap: 3}\n")
    assert rounds("label", "add", file, "--kind", "demonstration", *here).code == 0
    assert label_filling.queues(workspace)[0].wanted == 3
