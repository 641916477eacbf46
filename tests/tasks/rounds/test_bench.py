"""Two samplers, timed, and compared by hand."""

import json
from pathlib import Path

import pytest

from core.errors import BadParams, NotInstalled, RoundBusy
from models.sampling_speed import SamplerSpeed
from tasks.rounds import bench
from tasks.rounds.bench import EngineComparison, EngineSpeed, engines, most_tokens
from tasks.rounds.params import RoundSettings
from tasks.state import lock
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.models.fake_vllm import FakeVLLM, serving
from tests.tasks.rounds.bases import LIMITS, saved

LOCAL = EngineSpeed("local", "local", SamplerSpeed(0.0, 0.0, 1000, 10.0))
"""100 tokens a second."""
SERVER = EngineSpeed("vllm", "vllm 0.32.0", SamplerSpeed(16.0, 2.0, 1000, 2.0))
"""500 tokens a second, after 16 seconds in each of three steps and 2 seconds for each of six versions."""


@pytest.mark.parametrize(("tokens", "best"), [(7_000, "local"), (8_000, "vllm")])
def test_a_server_pays_from_so_many_tokens_on(tokens: int, best: str) -> None:
    """60 s + tokens / 500 = tokens / 100 at 7,500 tokens."""
    compared = EngineComparison((LOCAL, SERVER), tokens, hand_overs=6)
    assert compared.seconds(SERVER) == 60 + tokens / 500
    assert compared.seconds(LOCAL) == tokens / 100
    assert compared.best == best


def test_the_tokens_of_a_round() -> None:
    params = RoundSettings(
        collect={"prompts": 3, "answers": 2}, policy={"steps": 2, "episodes": 5}, sample={"prompts": 7}
    )
    assert most_tokens(params) == (3 * 2 + 2 * 5 + 2 * 7) * params.model.max_answer_tokens


def knobs(folder: Path, url: str) -> list[str]:
    model = [f"model.{name}={value}" for name, value in LIMITS.items()]
    return [f"model.base={folder}", "model.adapter={rank: 2}", f"sampler.vllm.url={url}", "policy.episodes=3", *model]


def test_both_sample_with_the_base_of_the_next_round(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    fake = FakeVLLM(folder := saved(tmp_path / "base"))
    with serving(fake) as url:
        made = engines(workspace, knobs(folder, url), 4)
        assert len(fake.bodies("/v1/load_lora_adapter")) == 2
        assert len(fake.bodies("/v1/completions")) == 2 * (1 + 1) + 4  # the comparison, and a token; then the prompts
        words = [word for knob in knobs(folder, url) for word in ("-S", knob)]
        printed = rounds("bench", "engine", "-w", workspace.root, *words)
        listed = json.loads(rounds("bench", "engine", "--prompts", "2", "--json", "-w", workspace.root, *words).out)
        assert len(fake.bodies("/v1/completions")) == 8 + (4 + 3) + (4 + 2)  # 3: `policy.episodes`
        with lock.holding(workspace.lock, "round 3"), pytest.raises(RoundBusy):
            engines(workspace, knobs(folder, url), 4)
    assert fake.adapters == []
    assert [engine.name for engine in made.engines] == ["local", "vllm 0.32.0"]
    assert all(4 <= engine.speed.tokens <= 32 and engine.speed.rate > 0 for engine in made.engines)
    assert f"sampler.engine={listed['best']}" in ("sampler.engine=local", "sampler.engine=vllm")
    assert "sampler.engine=" in printed.out
    assert [engine["engine"] for engine in listed["engines"]] == ["local", "vllm"]
    assert not workspace.round.exists()
    assert not workspace.sampler("bench").exists()


def test_what_cannot_be_measured_is_refused(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "PYTHON", tmp_path / "none/bin/python")
    with pytest.raises(BadParams, match=r"model\.base is scratch"):
        engines(workspace, ["model.adapter={rank: 2}"])
    with pytest.raises(BadParams, match=r"needs model\.adapter"):
        engines(workspace, [])
    with pytest.raises(NotInstalled, match="install it with `make vllm`"):
        engines(workspace, [f"model.base={saved(tmp_path / 'base')}", "model.adapter={rank: 2}"])
