"""Every preset is a valid params.yaml of at most a screen, and `rounds init --preset` writes it."""

import re
import shlex
from collections.abc import Sequence
from math import comb
from pathlib import Path

import pytest
import yaml
from transformers import PretrainedConfig, Qwen2Config

from cli import presets
from core.errors import BadParams
from core.settings import override, parse
from feedback.sources.rule import RuleVotes
from models.machine import Machine
from tasks.rounds import fit
from tasks.rounds.params import RoundSettings
from tasks.state.workspace import PROJECT
from tests.commands import Rounds
from tests.models.shapes import SMOLLM2


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


GB = 10**9
SHAPES: dict[str, PretrainedConfig] = {
    "smollm2": SMOLLM2,
    "Qwen/Qwen2.5-0.5B-Instruct": Qwen2Config(
        vocab_size=151_936,
        hidden_size=896,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        intermediate_size=4864,
        tie_word_embeddings=True,
    ),
    "Qwen/Qwen2.5-1.5B-Instruct": Qwen2Config(
        vocab_size=151_936,
        hidden_size=1536,
        num_hidden_layers=28,
        num_attention_heads=12,
        num_key_value_heads=2,
        intermediate_size=8960,
        tie_word_embeddings=True,
    ),
    "Qwen/Qwen2.5-7B-Instruct": Qwen2Config(
        vocab_size=152_064,
        hidden_size=3584,
        num_hidden_layers=28,
        num_attention_heads=28,
        num_key_value_heads=4,
        intermediate_size=18_944,
        tie_word_embeddings=False,
    ),
}
"""Of the bases in the commands below, as their `config.json` states them."""


def gigabytes(command: str, on: Machine, folder: Path, *more: str) -> str:
    """What the largest step of a `rounds round` needs in a workspace of the preset, with the shape of its base."""
    words = shlex.split(command)
    overrides = [words[i + 1] for i, word in enumerate(words) if word == "-S"]
    knobs = override(yaml.safe_load(presets.text("real")), [*overrides, *more])
    SHAPES[knobs["model"]["base"]].save_pretrained(folder)
    knobs["model"]["base"] = str(folder)
    found = fit.estimate(parse(RoundSettings, knobs, "the page"), on)
    assert found.fits
    return f"{found.largest[1] / GB:.1f}"


def blocks(page: str) -> list[list[str]]:
    """The commands of each block of a page that makes a workspace from the preset."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    found = [block.replace("\\\n", "").splitlines() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
    return [block for block in found if "--preset real" in block[0]]


def test_the_commands_for_a_laptop_and_two_cards_fit_there(tmp_path: Path) -> None:
    machines: Sequence[tuple[Machine, str]] = [
        (Machine(16 * GB, None), "a base of .1B (3.1 GB, in bfloat16 2.1 GB)"),
        (Machine(64 * GB, 24 * GB), "a base of 1.5B (8.8 GB)"),
        (Machine(64 * GB, 80 * GB), "a base of 7.6B (27.4 GB)"),
    ]
    page = (PROJECT / "docs/engine.md").read_text(encoding="utf-8")
    for number, ((machine, sentence), block) in enumerate(zip(machines, blocks("docs/engine.md"), strict=True)):
        types = ("float32", "bfloat16") if machine.gpu is None else ("bfloat16",)
        needs = [gigabytes(block[-1], machine, tmp_path / f"{number}", f"model.dtype={dtype}") for dtype in types]
        assert re.findall(r"[\d.]+(?= GB)", sentence) == needs
        assert sentence in page


def test_the_command_for_a_model_of_your_own_needs_what_the_page_says(tmp_path: Path) -> None:
    [block] = blocks("README.md")
    needs = [
        gigabytes(block[-1], Machine(16 * GB, None), tmp_path, f"model.dtype={dtype}")
        for dtype in ("float32", "bfloat16")
    ]
    assert [round(float(need)) for need in needs] == [9, 5]
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert "needs about 9 GB of memory (5 GB in bfloat16)" in readme
