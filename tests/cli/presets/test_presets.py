"""Every preset is a valid params.yaml of at most a screen, and `rounds init --preset` writes it."""

from math import comb
from pathlib import Path

import pytest
import yaml

from cli import presets
from core.errors import BadParams
from core.settings import parse
from feedback.sources.rule import RuleVotes
from tasks.rounds.params import RoundSettings
from tests.commands import Rounds


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_is_valid_and_fits_on_a_screen(name: str) -> None:
    text = presets.text(name)
    parse(RoundSettings, yaml.safe_load(text), name)
    assert len(text.splitlines()) <= 50


def test_the_real_preset_gives_its_gates_enough_to_decide() -> None:
    knobs = parse(RoundSettings, yaml.safe_load(presets.text("real")), "real")
    [source] = knobs.ingest.sources
    assert isinstance(source, RuleVotes)
    assert knobs.vote.annotator == source
    assert knobs.reward.likelihood is None  # 0 for a pretrained base
    assert knobs.collect.temperature == knobs.sample.temperature == 0.7
    ties = 0.2
    held_out = knobs.curate.split.holdout * knobs.collect.prompts
    assert (1 - ties) * held_out * comb(knobs.collect.answers, 2) >= 100
    prompts = held_out + knobs.curate.split.holdout * source.demonstrations
    assert min(prompts, knobs.sample.prompts) * (1 - ties) >= 200
    assert held_out >= 20  # groups of prompts, by which intervals are drawn again


def test_a_new_workspace_starts_from_a_preset(rounds: Rounds, tmp_path: Path) -> None:
    assert rounds("init", tmp_path / "w", "--preset", "real").code == 0
    assert (tmp_path / "w/params.yaml").read_text() == presets.text("real")
    shown = rounds("params", "collect", "-w", tmp_path / "w")
    assert shown.code == 0
    assert "600" in shown.out


def test_an_unknown_preset_is_refused_and_nothing_is_made(rounds: Rounds, tmp_path: Path) -> None:
    with pytest.raises(BadParams, match="there are: real"):
        presets.text("rael")
    assert rounds("init", tmp_path / "w", "--preset", "rael").code == 2
    assert not (tmp_path / "w").exists()
