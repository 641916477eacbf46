"""Trained models of other families go through a whole round: `-S model.base=FOLDER`."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from peft import PeftModel
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PretrainedConfig,
    Qwen3Config,
)

from models.adapters import read
from models.reward import NORMALISATION
from models.scorer import HEAD
from models.scratch import train_tokenizer
from tasks.history.unneeded_bases import unneeded
from tasks.registry.alias import Registry
from tasks.state import bases
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.flows.feedback_files import requests, shallow_votes, write
from tests.profile import PROMOTE, TINY
from tests.workspaces import run_round, settle

pytestmark = pytest.mark.rounds

SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


class Family(NamedTuple):
    """A base model's architecture, and what of its tokenizer makes a difference."""

    config: type[PretrainedConfig]
    shape: dict[str, Any]
    chat: bool
    """has a chat template"""
    pads_with_eos: bool
    tied: bool
    demonstrations: bool = True
    """the round fine-tunes it first; else the base model is the SFT model"""


FAMILIES = {
    "gpt2": Family(GPT2Config, {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 128}, False, True, True),
    "llama": Family(LlamaConfig, SHAPE, chat=True, pads_with_eos=False, tied=False),
    "qwen3": Family(Qwen3Config, {**SHAPE, "num_key_value_heads": 1, "head_dim": 8}, True, False, True, False),
    "gpt_neox": Family(GPTNeoXConfig, {**SHAPE, "max_position_embeddings": 128}, False, True, False),
}


def saved(family: Family, folder: Path) -> Path:
    """A model of this family with random weights, written as its makers would."""
    tokenizer = train_tokenizer([request.text for request in requests(items=2)], 300)
    if not family.chat:
        tokenizer.chat_template = None
    if family.pads_with_eos:
        tokenizer.pad_token = tokenizer.eos_token
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    config = family.config(vocab_size=len(tokenizer), tie_word_embeddings=family.tied, **ends, **family.shape)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", FAMILIES)
def test_a_base_model_goes_through_a_round(name: str, workspace: Workspace, tmp_path: Path) -> None:
    family = FAMILIES[name]
    base = saved(family, tmp_path / "base")
    votes = write(tmp_path / "votes.jsonl", shallow_votes(requests(items=5)))
    record = run_round(
        workspace,
        [
            *TINY,
            f"model.base={base}",
            f"ingest.sources=[{{use: jsonl, path: {votes}}}]",
            f"curate.chosen_as_demonstrations={str(family.demonstrations).lower()}",
            "policy.steps=1",
            "vote.annotator=null",
            "sample.prompts=8",
        ],
    )
    assert (record.number, record.verdict.result) == (1, "hold")
    assert all(map(math.isfinite, record.metrics.values()))
    assert ("sft/loss" in record.metrics) == family.demonstrations
    registry = Registry(workspace.root)
    kept = registry.fetch(registry.version(record.version), tmp_path / "kept")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(kept), AutoTokenizer.from_pretrained(kept)
    assert model.config.model_type == name
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) == family.tied
    assert bool(tokenizer.chat_template) == family.chat


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")  # peft reads it
@cures("tasks.rounds.continuity.check: rounds rebase", "cli.rebase.rebase: -S model.base=…")
def test_rounds_with_adapters_continue_the_champions_adapter(
    workspace: Workspace, tmp_path: Path, rounds: Rounds
) -> None:
    base = saved(FAMILIES["llama"], tmp_path / "base")
    votes = write(tmp_path / "votes.jsonl", shallow_votes(requests(items=5)))
    knobs = [
        *TINY,
        PROMOTE,
        f"model.base={base}",
        "model.adapter={rank: 2}",
        "model.microbatch_tokens=500",
        f"ingest.sources=[{{use: jsonl, path: {votes}}}]",
        "curate.chosen_as_demonstrations=true",
        "policy.steps=1",
        "vote.annotator=null",
        "sample.prompts=8",
    ]
    first, second = (run_round(workspace, knobs) for _ in range(2))
    for name in ("sft", "policy", "reward", "judge"):
        files = {path.name for path in workspace.checkpoint(name).iterdir()}
        assert {"adapter.json", "adapter.safetensors"} <= files
        assert "model.safetensors" not in files
    assert (workspace.champion / "adapter.json").exists()
    assert first.number == 1
    assert second.number == 2
    _export(workspace, tmp_path, rounds)
    _refuse_another_rank_then_rebase(workspace, knobs, rounds)


def _export(workspace: Workspace, folder: Path, rounds: Rounds) -> None:
    """As peft's adapter, as a whole model, and the reward model with its head."""
    for name, options in {
        "peft": [],
        "whole": ["--merge", "--dtype", "bfloat16"],
        "reward": ["--model=reward"],
    }.items():
        result = rounds("export", "champion", folder / name, *options, "-w", workspace.root)
        assert result.code == 0, result.err
    assert {file.name for file in (folder / "peft").iterdir()} >= {"adapter_config.json", "adapter_model.safetensors"}
    base = workspace.base(read(workspace.champion).base)
    assert PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(folder / "peft"))
    assert AutoModelForCausalLM.from_pretrained(folder / "whole").dtype == torch.bfloat16
    assert {file.name for file in (folder / "reward").iterdir()} >= {HEAD, NORMALISATION, "adapter_model.safetensors"}
    again = rounds("export", "champion", folder / "peft", "-w", workspace.root)
    assert (again.code, "is not empty" in again.err) == (2, True)


def _refuse_another_rank_then_rebase(workspace: Workspace, knobs: list[str], rounds: Rounds) -> None:
    """Two ends of one story, which needs the rounds before: another rank is refused, and begins on a new base."""
    settle(workspace, *knobs, "model.adapter.rank=3")
    refused = [rounds(command, "-w", workspace.root) for command in ("plan", "round")]
    for result in refused:
        assert result.code == 2
        assert "model.adapter.rank is 3" in result.err
        assert "policy version 3, was made with 2" in result.err
    rebased = rounds(*words(refused[0].err, "rounds rebase")[1:])
    assert rebased.code == 0, rebased.err
    [typed] = [line.removeprefix("Next: rounds ") for line in rebased.out.splitlines() if line.startswith("Next")]
    assert rounds("plan", *typed.split()[1:]).code == 0
    old, new = Registry(workspace.root).version("3").tags["base_digest"], bases.every(workspace)[0]
    assert new.merged is not None
    assert (new.merged.version, new.names) == ("3", ("policy-3",))
    record = run_round(workspace, ["model.base=policy-3"])
    assert (record.number, record.verdict.result) == (3, "promote")
    registry = Registry(workspace.root)
    card = registry.store.get_model_version(registry.line.model("policy"), record.version).description
    assert "Adapter of rank 3 on the base" in str(card)
    tags = registry.version(record.version).tags
    assert (tags["base_digest"], json.loads(tags["adapter"])["rank"]) == (new.digest, 3)
    assert read(workspace.champion).base == old  # what the candidate was compared with
    assert unneeded(workspace) == []
