"""Trained models of other families go through a whole round: `-S model.base=FOLDER`."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PretrainedConfig,
    Qwen3Config,
)

from models.scratch import train_tokenizer
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace
from tests.flows.feedback_files import requests, shallow_votes, write
from tests.profile import PROMOTE, TINY
from tests.workspaces import run_round

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


def test_rounds_with_adapters_continue_the_champions_adapter(workspace: Workspace, tmp_path: Path) -> None:
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
