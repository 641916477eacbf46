"""The plug-ins of docs/extend.md work as they stand there."""

import importlib
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from torch import Tensor

from cli.__main__ import app
from core.errors import BadFeedback
from core.plugins import make
from core.settings import override, parse
from evaluation.evals import Answers, Holdout, HoldoutPairs
from evaluation.guards import LiveFeedback
from evaluation.verdict import GateInputs
from feedback.live import Opinion
from feedback.probes import user_prompt
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from models.engines.local import LocalEngine
from models.policy import ModelSettings, Policy, build
from models.rewards import ScoringContext
from models.tokens import Batch
from tasks.rounds.params import RoundSettings
from tests import pages
from tests.pages import ROOT

PAGE = ROOT / "docs/extend.md"
MAPPINGS = {"GATES": ("verdict", "gates"), "EVALS": ("evaluate", "evals"), "GUARDS": ("watch", "guards")}
"""List of defaults → the section and the knob whose default it is."""

COMMANDS: Any = typer.main.get_command(app)


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts each file of the page where a `use:` finds it, beside the files that are there."""
    modules = []
    for text in pages.blocks(PAGE, "python"):
        file = Path(text.splitlines()[0].removeprefix("# "))
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
        package = importlib.import_module(".".join(file.parent.parts))
        monkeypatch.setattr(package, "__path__", [*package.__path__, str((tmp_path / file).parent)])
        modules.append((package, file.stem))
    importlib.invalidate_caches()
    yield
    for package, name in modules:
        if sys.modules.pop(f"{package.__name__}.{name}", None):
            delattr(package, name)


def test_the_commands_use_them() -> None:
    for command in pages.commands(PAGE):
        flow = pages.after(command, "rounds")
        assert flow is not None
        given = COMMANDS.commands[flow[0]].make_context(flow[0], flow[1:]).params
        parse(RoundSettings, override({}, given["overrides"]), " ".join(command))


def rows() -> list[list[str]]:
    """The cells of the table of defaults, without its head."""
    section = PAGE.read_text(encoding="utf-8").split("## Used by default\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines[1:]]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_default_is_where_the_table_says(row: list[str]) -> None:
    name, path, *field = re.findall(r"`([^`]+)`", row[2])
    module = importlib.import_module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    assert (ROOT / path).is_file()
    if field:
        assert field[0] in getattr(module, name).model_fields
    else:
        section, mapping = MAPPINGS[name]
        assert set(getattr(module, name)) == set(getattr(getattr(RoundSettings(), section), mapping))


SELECTED = [row for row in rows() if "`-S " in row[1] and "NAME" not in row[1]]


@pytest.mark.parametrize("row", SELECTED, ids=lambda row: row[0])
def test_a_plug_in_is_used_without_a_default(row: list[str]) -> None:
    [command] = re.findall(r"`-S ([^`]+)`", row[1])
    settings = parse(RoundSettings, override({}, shlex.split(command)), command)
    names = ("endings", "apologies", "spreadsheet", "reinforce", "insults", "brevity")
    assert any(f"'use': '{name}'" in str(settings.plain()) for name in names)


def test_the_source_keeps_every_row(tmp_path: Path) -> None:
    sheet = tmp_path / "votes.csv"
    sheet.write_text("question,better,worse,voter\nWhy?,Because.,No.,anna\nWhen?,Soon.,Soon.,bo\n", encoding="utf-8")
    source = make("feedback.sources", "spreadsheet", {"path": sheet})
    source.check()
    vote, rejected = source.read(Intake(round=3, seed=0))
    assert isinstance(vote, FeedbackEvent)
    assert (vote.annotator_id, vote.round, vote.responses[0].text) == ("anna", 3, "Because.")
    assert isinstance(rejected, RejectedRecord)
    assert (rejected.where, rejected.reason) == (
        "votes.csv:3",
        "chosen equals rejected, expected two different answers",
    )


def test_the_source_says_that_its_file_is_missing() -> None:
    with pytest.raises(BadFeedback, match=r"nowhere\.csv: there is no such file"):
        make("feedback.sources", "spreadsheet", {"path": "nowhere.csv"}).check()


def test_the_reward_function_takes_a_price_for_each_token() -> None:
    def two(batch: Batch) -> Tensor:
        return torch.full((len(batch.ids),), 2.0)

    model: Any = two
    context = ScoringContext(tokenizer=model, end_ids=frozenset(), prompts={}, model=lambda: model)
    response = torch.tensor([[False, True, True], [False, True, False]])
    with make("models.rewards", "brevity", {"price": 0.5}).scoring(context) as score:
        assert score(Batch(torch.ones(2, 3, dtype=torch.int64), response, response)).tolist() == [1.0, 1.5]


@pytest.mark.learning
def test_the_algorithm_learns_what_is_rewarded() -> None:
    def even(batch: Batch) -> Tensor:
        return ((batch.ids % 2 == 0) & batch.response).sum(1) / batch.response.sum(1)

    def policy() -> Policy:
        return build(ModelSettings(width=16, layers=1, heads=2, feed_forward=32, vocabulary=261), ["hello"])

    logged: list[Mapping[str, float]] = []
    reference = policy()
    algorithm = make("models.algorithms", "reinforce", {"steps": 30, "learning_rate": 0.01, "kl": 0.0})
    prompts = [[10, 11, 4], [12, 4], [13, 14, 15, 4]]
    engine = LocalEngine(policy(), reference, even)
    algorithm.train(engine, prompts, 4, log=lambda metrics, step, total: logged.append(metrics))
    assert len(logged) == 30
    assert logged[0]["objective/kl"] == pytest.approx(0, abs=1e-4)
    # by 0.40 or more in 11 seeds
    assert logged[-1]["objective/score"] > logged[0]["objective/score"] + 0.2
    assert all(
        torch.equal(a, b) for a, b in zip(reference.model.parameters(), policy().model.parameters(), strict=True)
    )


def test_the_evaluation_counts() -> None:
    nothing = np.zeros(4)
    data = Holdout([], ["a", "b", "c", "d"], [], HoldoutPairs([], [], nothing, [], nothing, nothing, nothing))

    def answers(*texts: str) -> Answers:
        return Answers([*texts], nothing.astype(np.int64), nothing.astype(np.bool_), nothing, nothing, nothing)

    ours, theirs = answers("Sorry!", "I apologise.", "Yes.", "No."), answers("Yes.", "Sorry.", "Yes.", "No.")
    numbers = make("evaluation.evals", "apologies", {}).run(ours, theirs, data)
    assert numbers["apologies"] == 0.5
    assert numbers["apologies_gain"] == 0.25


@pytest.mark.parametrize(
    ("metrics", "result"),
    [({"evaluate/eos_rate": 0.93}, "promote"), ({"evaluate/eos_rate": 0.89}, "reject"), ({}, "hold")],
)
def test_the_gate_decides(metrics: dict[str, float], result: str) -> None:
    gate = make("evaluation.gates", "endings", {"least": 0.9})
    finding = gate.check(GateInputs(candidate=metrics))
    assert (finding.gate, finding.result) == ("endings", result)


def test_the_guard_needs_significance() -> None:
    rudeness = make("evaluation.guards", "rudeness", {"limit": 0.2})
    rude = [Opinion("2", f"person {ix}", {}, frozenset({"rude"})) for ix in range(30)]
    assert rudeness.look(LiveFeedback(rude, [], [])).breached
    assert not rudeness.look(LiveFeedback(rude[:1], [], [])).breached


def test_harm_by_words() -> None:
    harm = make("evaluation.harms", "insults", {"words": ["donkey"]})
    assert harm.done([], ["You donkey!", "You fool!"]) == [True, False]


def test_the_rule_on_tone() -> None:
    rule, prompt = make("feedback.rules", "polite", {"per": 20}), user_prompt("May I come in?")
    assert rule.utility(prompt, "Thanks!") == 0.0
    assert rule.utility(prompt, "Please come in and take a seat, there is tea for you.") == 2.0
    assert rule.degrees(prompt, "Come in now and sit down, " + "word " * 10 + "please!")["kind"] == 1.0
