"""Invalid inputs are refused at opening, before any step runs."""

import json
from pathlib import Path

import pytest

from core.errors import BadFeedback, BadParams
from models.policy import ModelSettings, build
from tasks.registry.alias import Registry
from tasks.rounds import opening
from tasks.state.intake import hand_in
from tasks.state.workspace import Workspace

REFUSES_SYSTEM = (
    "{% for turn in messages %}{% if turn.role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
    "{{ turn.content }}{{ eos_token }}{% endfor %}"
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A model with 24 positions, whose template takes no system turn."""
    shape = ModelSettings(
        width=16, layers=1, heads=2, feed_forward=32, vocabulary=300, max_prompt_tokens=16, max_answer_tokens=8
    )
    policy = build(shape, ["hello"])
    policy.tokenizer.chat_template = REFUSES_SYSTEM
    policy.save(tmp_path / "base")
    return tmp_path / "base"


def feedback(file: Path, system_at: int) -> Path:
    """Ten preferences, one of which begins with a system turn."""
    rows = [[{"role": "user", "content": f"Question {row}?"}] for row in range(10)]
    rows[system_at].insert(0, {"role": "system", "content": "Be kind."})
    records = [{"prompt": row, "chosen": "Yes.", "rejected": "No."} for row in rows]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def opened(workspace: Workspace, base: Path, *overrides: str) -> None:
    model = (f"model.base={base}", "model.max_prompt_tokens=16", "model.max_answer_tokens=8")
    opening.open_round(workspace, [*model, *overrides], Registry(workspace.root))


def test_more_text_than_the_base_has_positions_for(workspace: Workspace, base: Path) -> None:
    with pytest.raises(BadParams, match=r"= 25, but .* has 24 positions"):
        opened(workspace, base, "model.max_answer_tokens=9")
    assert not workspace.round.exists()


def test_a_source_with_a_prompt_that_the_template_refuses(workspace: Workspace, base: Path, tmp_path: Path) -> None:
    file = feedback(tmp_path / "votes.jsonl", system_at=7)
    with pytest.raises(BadFeedback) as refusal:
        opened(workspace, base, f"ingest.sources=[{{use: jsonl, path: {file}}}]")
    assert str(refusal.value).startswith("votes ")
    assert all(fact in str(refusal.value) for fact in ("'Question 7?'", "[system user]", "no system turns", str(base)))
    assert not workspace.round.exists()


def test_an_inbox_with_a_prompt_that_the_template_refuses(workspace: Workspace, base: Path, tmp_path: Path) -> None:
    hand_in(workspace, [feedback(tmp_path / "votes.jsonl", system_at=2)])
    with pytest.raises(BadFeedback, match=r"\[system user\]: no system turns"):
        opened(workspace, base, "ingest.sources=[]")
    assert not workspace.round.exists()


def test_prompts_that_the_template_takes(workspace: Workspace, base: Path, tmp_path: Path) -> None:
    file = feedback(tmp_path / "votes.jsonl", system_at=7)
    file.write_text("".join(line + "\n" for line in file.read_text().splitlines() if "system" not in line))
    opened(workspace, base, f"ingest.sources=[{{use: jsonl, path: {file}}}]")
    assert workspace.round.exists()
