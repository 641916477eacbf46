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
from core.yaml_text import parse_yaml
from feedback import canonical, exports, inspection, trials
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


@pytest.mark.parametrize(("record", "use"), [(TASK, "label_studio"), (NESTED, "argilla")])
def test_inspect_prints_the_command_that_shows_the_records_as_the_source_reads_them(
    tmp_path: Path, record: dict[str, Any], use: str
) -> None:
    file = tmp_path / "-an export, {really}.json"
    file.write_text(json.dumps([record]))
    printed = "\n".join(inspected.lines(inspection.inspect(file)))
    [command] = [line for line in printed.splitlines() if line.startswith("  rounds ")]
    assert "map.yaml" not in printed
    assert "cannot be used" not in printed
    words = shlex.split(command)
    assert words[:-1] == ["rounds", "feedback", "inspect", str(file), "--source"]
    assert parse_yaml(words[-1])["use"] == use


def test_an_export_is_read_at_once_if_its_source_needs_no_knobs(tmp_path: Path) -> None:
    file = tmp_path / "trees.jsonl"
    file.write_text(json.dumps(EXAMPLES["2023-04-12_oasst_ready.trees.jsonl.gz"]) + "\n")
    assert marked(inspection.inspect(file)) == ["[WINNER] A", "[loser]  B"]
    assert settings_of(inspection.inspect(file)) == {"use": "oasst", "path": str(file)}


def test_an_export_is_read_by_the_source_that_is_typed(tmp_path: Path) -> None:
    file, labels = tmp_path / "export.json", tmp_path / "labels.xml"
    file.write_text(json.dumps([EXAMPLES["export.json"]]))
    labels.write_text(test_label_studio.CONFIG)
    text = f"{{use: label_studio, prompt: prompt, config: {labels}}}"
    shown = inspection.inspect(file, source=trials.typed(text, file))
    assert shown.forms == {"of the source label_studio": 1}
    assert marked(shown) == ["[WINNER] On Monday.", "[loser]  Soon."]
    expected = {"use": "label_studio", "prompt": "prompt", "config": str(labels), "path": str(file)}
    assert settings_of(shown) == expected
    [source] = parse(RoundSettings, override({}, [shown.trial.override if shown.trial else ""]), "-S").ingest.sources
    [event] = source.read(Intake(0, seed=0))
    assert isinstance(event, FeedbackEvent)


def marked(shown: inspection.Inspection) -> list[str]:
    """The answers with their marks."""
    return [line.strip() for line in inspected.lines(shown) if line.startswith("  [")]


def settings_of(shown: inspection.Inspection) -> dict[str, Any]:
    """The settings of the source in the command for a round, which is printed last."""
    *_, last = "\n".join(inspected.lines(shown)).splitlines()
    words = shlex.split(last)
    assert words[:3] == ["rounds", "round", "-S"]
    [source] = parse_yaml(words[3].removeprefix("ingest.sources="))
    return dict(source)


def test_inspect_names_the_fields_to_choose_from(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_text(json.dumps([TASK | {"data": {"question": "Q?", "left": "A", "right": "B"}}]))
    found = exports.exported(file)
    assert found
    assert (found.export.source, found.fields) == ("label_studio", ("question", "left", "right"))
    file.write_text(json.dumps([TREE]))
    found = exports.exported(file)
    assert found
    assert (found.export.source, found.fields) == ("oasst", ())


def test_other_files_are_no_exports(tmp_path: Path) -> None:
    (tmp_path / "votes.jsonl").write_text('{broken\n{"prompt": "Q?", "chosen": "A", "rejected": "B"}\n')
    assert exports.exported(tmp_path / "votes.jsonl") is None
    (tmp_path / "broken.jsonl").write_text("{broken\n")
    assert exports.exported(tmp_path / "broken.jsonl") is None


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
