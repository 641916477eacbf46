"""The pages that people write hold: commands, knobs, links, records and metrics are those of the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.__main__ import app
from core.settings import override, parse
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.jsonl import JSONL
from tasks.registry.alias import Registry
from tasks.rounds.params import RoundSettings
from tasks.state import records
from tasks.state.line import POLICY
from tasks.state.steps import STEPS
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tests import pages
from tests.pages import ROOT, WRITTEN, title

COMMANDS: Any = typer.main.get_command(app)
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
EXTENDING = ROOT / "docs/extend.md"  # its commands name plug-ins that are not there: tests/test_extending.py
FEEDBACK, METRICS = ROOT / "docs/feedback.md", ROOT / "docs/metrics.md"

ENTRY = re.compile(r"- (?P<names>`[^`]+`(?:, `[^`]+`)*)(?P<rare> †)? \([^;()]+; [^()]+\)\. ")
"""A metric: its names, † where a round may lack it, (unit; direction), and a definition."""

FILES = (".json", ".jsonl", ".yaml", ".safetensors")
"""Endings of names that look like knobs and are files."""


@pytest.mark.parametrize("page", WRITTEN, ids=title)
def test_commands_in_blocks_are_complete(page: Path) -> None:
    for command in pages.commands(page):
        flow, step = pages.after(command, "rounds"), pages.after(command, "rounds", "step")
        if flow is not None:
            typed, words = _typed(flow)
            given = typed.make_context(flow[0], words).params
            if page != EXTENDING:
                parse(RoundSettings, override({}, given.get("overrides") or []), " ".join(command))
        assert step is None or step[0] in STEPS
        assert command[0] != "make" or command[1] in TARGETS


@pytest.mark.parametrize("page", WRITTEN, ids=title)
def test_commands_in_the_text_exist(page: Path) -> None:
    for command in pages.inline_commands(page):
        for name, *words in filter(None, [pages.after(command, "rounds")]):
            typed, _ = _typed([name, *words])
            known = {option for parameter in typed.params for option in parameter.opts}
            assert {word for word in words if word.startswith("-")} <= known | {"--help"}
        assert command[0] != "make" or command[1] in TARGETS


def _typed(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and its arguments; of a group, the one below it."""
    command = COMMANDS
    while words and hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", WRITTEN, ids=title)
def test_knobs_in_the_text_exist(page: Path) -> None:
    values = RoundSettings().plain()
    sections = "|".join(RoundSettings.model_fields)
    for span in pages.spans(page):
        if re.fullmatch(rf"(?:{sections})(?:\.[a-z_0-9]+)+", span) and not span.endswith(FILES):
            workspace = values
            for name in span.split("."):
                assert name in workspace, span
                workspace = workspace[name]


@pytest.mark.parametrize("page", pages.PAGES, ids=title)
def test_links_lead_somewhere(page: Path) -> None:
    for link in pages.links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in pages.anchors(target), link


def test_the_tree_is_that_of_the_project() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## The tree")[1]
    words = [word for line in section.split("```")[1].splitlines() for word in re.split(r" {2,}", line)]
    named = {word for word in words if re.fullmatch(r"[\w.-]+/|[\w.-]+\.\w+|Makefile|LICENSE", word)}
    rooms = {f"{package.parent.name}/" for package in ROOT.glob("tasks/*/__init__.py")}
    assert {name for name in named - {"data/"} - rooms if not (ROOT / name).exists()} == set()
    assert {f"{package.parent.name}/" for package in ROOT.glob("*/__init__.py")} | rooms <= named


@pytest.mark.parametrize("text", pages.blocks(FEEDBACK, "json"))
def test_a_record_can_be_used_as_it_is_shown(text: str, tmp_path: Path) -> None:
    [event] = _read(text, tmp_path)
    assert isinstance(event, FeedbackEvent), event
    assert event.kind == json.loads(text).get("kind", "demonstration" if "completion" in text else "comparison")


def test_a_record_that_cannot_be_used_has_the_reason_that_is_shown(tmp_path: Path) -> None:
    shown = re.findall(r"```jsonl\n(.*?)```\n\n> (.*?)\n\n", FEEDBACK.read_text(encoding="utf-8"), re.DOTALL)
    assert len(shown) == 2
    for text, reason in shown:
        [rejected] = _read(text, tmp_path)
        assert isinstance(rejected, RejectedRecord)
        assert rejected.reason == reason.replace("\n> ", " ")


def _read(text: str, folder: Path) -> list[FeedbackEvent | RejectedRecord]:
    file = folder / "shown.jsonl"
    file.write_text(json.dumps(json.loads(text)), encoding="utf-8")
    return list(JSONL(path=file).read(Intake(round=1, seed=0)))


def _entries() -> list[str]:
    text = METRICS.read_text(encoding="utf-8")
    return [" ".join(entry.split()) for entry in re.findall(r"^- .+(?:\n  .+)*", text, re.MULTILINE)]


def _names(entry: re.Match[str]) -> list[str]:
    """The names as patterns; `_low` and its like belong to the name before them."""
    first, *others = re.findall(r"`([^`]+)`", entry["names"])
    names = [first, *(first + other if other.startswith("_") else other for other in others)]
    return [re.sub(r"<\w+>", r"\\w+", name) for name in names]


@pytest.mark.parametrize("entry", _entries())
def test_a_metric_has_unit_direction_and_definition(entry: str) -> None:
    assert ENTRY.match(entry)


def test_metrics_stand_under_their_step() -> None:
    sections = [section.partition("\n") for section in METRICS.read_text(encoding="utf-8").split("\n## ")[1:]]
    assert [step for step, _, _ in sections] == [*STEPS, "cost", "blame"]
    for step, _, text in sections:
        assert {name.split("/")[0] for name in re.findall(r"^- `([^`]+)`", text, re.MULTILINE)} <= {step}


@pytest.fixture(scope="module")
def logged(finished: Workspace) -> set[str]:
    """Every metric of a finished round 0 and round 1."""
    store = Registry(finished.root).store
    runs = store.search_runs([tracking.rounds_experiment(store, POLICY, finished.root)])
    recorded = [records.metrics(finished, number) for number in records.numbers(finished)]
    return {name for metrics in [*recorded, *(run.data.metrics for run in runs)] for name in metrics}


def test_every_logged_metric_is_documented(logged: set[str]) -> None:
    patterns = [name for entry in filter(None, map(ENTRY.match, _entries())) for name in _names(entry)]
    assert {name for name in logged if not any(re.fullmatch(pattern, name) for pattern in patterns)} == set()


def test_every_documented_metric_is_logged(logged: set[str]) -> None:
    entries = [entry for entry in filter(None, map(ENTRY.match, _entries())) if not entry["rare"]]
    patterns = {name for entry in entries for name in _names(entry)}
    assert {pattern for pattern in patterns if not any(re.fullmatch(pattern, name) for name in logged)} == set()
