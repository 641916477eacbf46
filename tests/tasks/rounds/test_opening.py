"""Invalid inputs are refused at opening, before any step runs."""

import json
import os
from pathlib import Path

import pytest

from core.errors import BadParams, BadWorkspace
from core.files import digest
from core.nested import changed, flat
from models import compute
from models.policy import ModelSettings, build
from tasks.registry.alias import Registry
from tasks.rounds import opening
from tasks.rounds.base import settled
from tasks.rounds.origins import origins
from tasks.rounds.plan import plan
from tasks.rounds.request import read_request
from tasks.state.handing_in import hand_in
from tasks.state.round import inputs, read
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


def asked(base: Path, *overrides: str) -> list[str]:
    return [f"model.base={base}", "model.max_prompt_tokens=16", "model.max_answer_tokens=8", *overrides]


def opened(workspace: Workspace, base: Path, *overrides: str) -> None:
    opening.open_round(workspace, asked(base, *overrides), Registry(workspace.root))


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


def processor(monkeypatch: pytest.MonkeyPatch, fast_in_bfloat16: bool) -> None:
    """Go on as on another machine."""
    monkeypatch.setattr(compute, "_fast_in_bfloat16", lambda: fast_in_bfloat16)


def changes(workspace: Workspace, overrides: list[str]) -> dict[str, list[object]]:
    """The parameters in which a round that would be opened now differs from the one that was opened."""
    before, params = inputs(workspace), opening.effective(workspace, overrides)
    now = opening.frozen(workspace, params, 0, None, None, settled(workspace, params.model.base))
    return {name: list(pair) for name, pair in changed(flat(before.params), flat(now.params)).items()}


@pytest.mark.parametrize(("fast", "dtype", "other"), [(True, "bfloat16", "float32"), (False, "float32", "bfloat16")])
def test_an_open_round_keeps_the_type_that_auto_stood_for(
    workspace: Workspace, base: Path, monkeypatch: pytest.MonkeyPatch, fast: bool, dtype: str, other: str
) -> None:
    overrides = asked(base, "ingest.sources=[]", "model.dtype=auto")
    processor(monkeypatch, fast)
    opened(workspace, base, *overrides)
    frozen = workspace.round.read_text()
    assert inputs(workspace).params["model"]["dtype"] == dtype
    assert changes(workspace, overrides) == {}
    processor(monkeypatch, not fast)
    for words in (overrides, asked(base, "ingest.sources=[]", f"model.dtype={dtype}")):
        resumed = opening.resume(workspace, words)
        assert resumed.knobs("model", ModelSettings).compute.dtype == dtype
        assert plan(workspace, words).would == "continue"
    with pytest.raises(BadWorkspace, match="open with other parameters"):
        opening.resume(workspace, asked(base, "ingest.sources=[]", f"model.dtype={other}"))
    assert workspace.round.read_text() == frozen
    assert changes(workspace, overrides) == {"model.dtype": [dtype, other]}


def test_the_next_round_is_still_asked_for_in_auto(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.params.write_text("model: {dtype: auto}\n")
    [knob] = [knob for knob in origins(workspace) if knob.name == "model.dtype"]
    assert (knob.value, knob.origin) == ("auto", "params.yaml:1")
    first = read_request(workspace, [])
    processor(monkeypatch, not compute._fast_in_bfloat16())
    assert read_request(workspace, []).fingerprint == first.fingerprint  # a finished round answers on every machine
