"""Exports that only a source reads are refused by their name, with the command to type."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.display import inspected
from core.errors import BadFeedback
from core.settings import override, parse
from feedback import canonical, exports, inspection
from feedback.questions import Question
from feedback.schema import FeedbackEvent
from feedback.sources import Intake
from tasks.rounds.params import RoundSettings
from tests import pages
from tests.feedback.sources import test_label_studio, test_oasst

NESTED = {"id": "1", "fields": {"prompt": "Q?"}, "responses": {"better": [{"value": "a", "user_id": "u"}]}}
FLAT = {"prompt": "Q?", "completion": "A", "ok.responses": ["no"], "ok.responses.users": ["u"]}
VERSION_1 = {"instruction": "Q?", "output": "A", "ok": [{"user_id": "u", "value": "no", "status": "submitted"}]}
TASK = {"id": 1, "data": {"prompt": "Q?"}, "annotations": []}
ROW = {"prompt": "Q?", "completion": "A", "ok": "no", "annotation_id": 7, "annotator": 3, "lead_time": 2.5}
TREE = {"message_tree_id": "t", "tree_state": "ready_for_export", "prompt": {"message_id": "m", "text": "Q?"}}
MESSAGE = {"message_id": "m", "parent_id": None, "text": "Q?", "role": "prompter"}


@pytest.mark.parametrize(
    ("record", "source"),
    [
        (NESTED, "argilla"),
        (FLAT, "argilla"),
        (VERSION_1, "argilla"),
        (TASK, "label_studio"),
        (ROW, "label_studio"),
        (TREE, "oasst"),
        (MESSAGE, "oasst"),
    ],
)
def test_a_record_of_an_export_is_refused_also_if_its_texts_look_like_a_known_form(
    record: dict[str, Any], source: str
) -> None:
    with pytest.raises(
        BadFeedback, match=rf"the source {source} reads: rounds round -S 'ingest.sources=.*use: {source}"
    ):
        canonical.event(record, {"source": "s", "source_id": "1"})


@pytest.mark.parametrize(("record", "use"), [(TASK, "label_studio"), (TREE, "oasst"), (NESTED, "argilla")])
def test_inspect_prints_the_command_of_the_source(tmp_path: Path, record: dict[str, Any], use: str) -> None:
    file = tmp_path / "an export, {really}.json"
    file.write_text(json.dumps([record]))
    printed = "\n".join(inspected.lines(inspection.inspect(file)))
    [command] = [line for line in printed.splitlines() if line.startswith("  rounds round -S")]
    assert "map.yaml" not in printed
    given = override({}, [shlex.split(command)[-1]])
    settings = parse(RoundSettings, given, command).plain()["ingest"]["sources"]
    assert [(source["use"], source["path"]) for source in settings] == [(use, str(file))]


def test_inspect_names_the_fields_to_choose_from(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_text(json.dumps([TASK | {"data": {"question": "Q?", "left": "A", "right": "B"}}]))
    assert exports.how_to_read(file)[1:] == ["FIELD is one of: question, left, right"]
    file.write_text(json.dumps([TREE]))
    assert len(exports.how_to_read(file)) == 1


def test_other_files_are_no_exports(tmp_path: Path) -> None:
    (tmp_path / "votes.jsonl").write_text('{broken\n{"prompt": "Q?", "chosen": "A", "rejected": "B"}\n')
    assert exports.how_to_read(tmp_path / "votes.jsonl") == []
    (tmp_path / "broken.jsonl").write_text("{broken\n")
    assert exports.how_to_read(tmp_path / "broken.jsonl") == []


EXAMPLES: dict[str, Any] = {
    "2023-04-12_oasst_ready.trees.jsonl.gz": test_oasst.tree(test_oasst.answer("A", 0), test_oasst.answer("B", 1)),
    "export.json": test_label_studio.task(test_label_studio.annotation(test_label_studio.pair("left"))),
    "records.json": {
        "id": "1",
        "fields": {"prompt": "Q?", "response_1": "A", "response_2": "B"},
        "responses": {"better": [{"value": "response_1", "user_id": "u"}]},
    },
}
"""File that docs/feedback.md names → a record of it."""


def documented() -> list[str]:
    """The sources of exports in the commands of docs/feedback.md."""
    words = [word for command in pages.commands(pages.ROOT / "docs/feedback.md") for word in command]
    return [word for word in words if any(f"path: {file}" in word for file in EXAMPLES)]


@pytest.mark.parametrize("setting", documented())
def test_a_documented_source_reads_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.xml").write_text(test_label_studio.CONFIG)
    for file, record in EXAMPLES.items():
        (tmp_path / file).write_text(json.dumps([record]))
    [source] = parse(RoundSettings, override({}, [setting]), setting).ingest.sources
    source.check()
    [event] = source.read(Intake(0, seed=0))
    assert isinstance(event, FeedbackEvent), event
    assert event.judgements[0].ranks == (1, 2)


def test_documented_questions_are_valid() -> None:
    [block] = [
        block for block in pages.blocks(pages.ROOT / "docs/feedback.md", "yaml") if block.startswith("questions:")
    ]
    uses = {name: parse(Question, given, name).use for name, given in yaml.safe_load(block)["questions"].items()}
    assert uses == {"verdict": "winner", "errors": "rating", "edit": "correction", "notes": "ignored"}
