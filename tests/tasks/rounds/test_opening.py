"""Invalid inputs are refused at opening, before any step runs."""

import json
import os
from pathlib import Path

import pytest

from core.errors import BadParams
from core.files import digest
from models.policy import ModelSettings, build
from tasks.registry.alias import Registry
from tasks.rounds import opening
from tasks.state.intake import hand_in
from tasks.state.round import read
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


def test_a_prompt_that_the_template_refuses_does_not_stop_the_round(
    workspace: Workspace, base: Path, tmp_path: Path
) -> None:
    file = feedback(tmp_path / "votes.jsonl", system_at=7)
    opened(workspace, base, f"ingest.sources=[{{use: jsonl, path: {file}}}]")
    assert workspace.round.exists()


def test_the_inbox_is_read_in_the_order_of_arrival(workspace: Workspace, base: Path, tmp_path: Path) -> None:
    files = [feedback(tmp_path / f"{number}.jsonl", system_at=number) for number in range(5)]
    for moment, file in enumerate(files):
        before = set(workspace.inbox.glob("*"))
        hand_in(workspace, [file])
        [new] = set(workspace.inbox.glob("*")) - before
        os.utime(new, (moment, moment))
    opened(workspace, base, "ingest.sources=[]")
    names = [f"{digest(file)[:16]}.jsonl" for file in files]
    assert list(read(workspace).inbox) == names != sorted(names)
