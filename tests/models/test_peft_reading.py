"""LoRAs that peft saved, read as adapters of ours."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from core.errors import BadModel
from core.files import digest
from models import adapters, peft_files
from models.adapters import AdapterFacts
from models.network import WholeNetwork
from models.peft_reading import is_peft, read, template
from models.policy import Policy
from tests.models.adapted import moved
from tests.models.test_adapters import batch, shared

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")  # peft reads it


def trained(base: Path, into: Path, **settings: Any) -> Path:
    """What peft saves of a LoRA with weights that change something; returns its folder."""
    config = LoraConfig(
        r=2, lora_alpha=8, task_type="CAUSAL_LM", **{"target_modules": ["q_proj", "v_proj"], **settings}
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    torch.manual_seed(1)
    for name, tensor in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(tensor, std=0.2)
    model.save_pretrained(str(into))
    return into


@pytest.fixture
def lora(saved: Path, tmp_path: Path) -> Path:
    return trained(saved, tmp_path / "lora", lora_dropout=0.1)


def test_it_computes_what_peft_computes(tiny: Policy, saved: Path, lora: Path, tmp_path: Path) -> None:
    found = read(lora, saved, "d")
    assert found.facts == AdapterFacts(2, 8.0, ("q_proj", "v_proj"), "d")
    assert (found.dropout, found.named, is_peft(lora), is_peft(saved)) == (0.1, str(saved), True, False)
    own = tmp_path / "own"
    own.mkdir()
    base = shared(tiny)
    imported = read(lora, saved, base.digest)
    adapters.write(own, imported.facts, imported.tensors, template(lora, saved))
    network = base.load("policy", own)
    whole = AutoModelForCausalLM.from_pretrained(saved)
    before = WholeNetwork(whole).logprobs(batch())
    merged = PeftModel.from_pretrained(whole, str(lora)).merge_and_unload()
    torch.testing.assert_close(network.logprobs(batch()), WholeNetwork(merged).logprobs(batch()), atol=1e-5, rtol=0)
    assert (network.logprobs(batch()) - before).abs().max() > 1e-3
    assert (own / adapters.TEMPLATE).read_text() == tiny.tokenizer.chat_template


def test_what_is_exported_is_read_back_byte_for_byte(tiny: Policy, saved: Path, tmp_path: Path) -> None:
    network = moved(shared(tiny), "policy", 1)
    own, peft, again = (tmp_path / name for name in ("own", "peft", "again"))
    for folder in (own, peft, again):
        folder.mkdir()
    network.save(own, tiny.tokenizer)
    peft_files.write(own, saved, "mine", peft)
    found = read(peft, saved, adapters.read(own).base)
    assert (found.named, found.dropout) == ("mine", 0.0)
    adapters.write(again, found.facts, found.tensors, template(peft, saved))
    assert digest(again) == digest(own)


def test_the_template_beside_a_lora_is_kept(saved: Path, lora: Path) -> None:
    (lora / adapters.TEMPLATE).write_text("{{ messages }}")
    assert template(lora, saved) == "{{ messages }}"


Breaking = Callable[[Path], object]


def config(**values: Any) -> Breaking:
    def change(folder: Path) -> None:
        file = folder / peft_files.CONFIG
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return change


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Breaking:
    def changed(folder: Path) -> None:
        loaded = load_file(folder / peft_files.WEIGHTS)
        change(loaded)
        save_file(loaded, folder / peft_files.WEIGHTS)

    return changed


Q = f"{peft_files.PREFIX}model.layers.0.self_attn.q_proj"
FAULTS: dict[str, tuple[Breaking, tuple[str, ...]]] = {
    "DoRA": (config(use_dora=True), ("use_dora", "merge_and_unload")),
    "rsLoRA": (config(use_rslora=True), ("use_rslora",)),
    "whole layers": (config(modules_to_save=["lm_head"]), ("modules_to_save", "lm_head")),
    "trained biases": (config(bias="all"), ("bias", "all")),
    "ranks per layer": (config(rank_pattern={"q_proj": 4}), ("rank_pattern",)),
    "alphas per layer": (config(alpha_pattern={"q_proj": 4}), ("alpha_pattern",)),
    "repeated layers": (config(layer_replication=[[0, 1]]), ("layer_replication",)),
    "trained tokens": (config(trainable_token_indices=[1]), ("trainable_token_indices",)),
    "a setting of later": (config(use_magic={"a": 1}), ("use_magic",)),
    "another method": (config(peft_type="IA3"), ("peft_type", "IA3")),
    "a changed base": (config(init_lora_weights="pissa"), ("init_lora_weights", "pissa")),
    "no rank": (config(r=None), ("`r`",)),
    "no JSON": (lambda folder: (folder / peft_files.CONFIG).write_text("{"), (peft_files.CONFIG,)),
    "no weights": (lambda folder: (folder / peft_files.WEIGHTS).unlink(), (peft_files.WEIGHTS, "pickles")),
    "no tensors": (tensors(dict.clear), ("has no tensors",)),
    "another rank": (config(r=3), ("lora_A is of shape [2, ", "[3, ")),
    "half of a layer": (tensors(lambda loaded: loaded.pop(f"{Q}.lora_B.weight")), ("lora_B is missing",)),
    "not all layers": (
        tensors(lambda loaded: [loaded.pop(f"{Q}.lora_{part}.weight") for part in "AB"]),
        ("model.layers.0.self_attn.q_proj", "change all of a name"),
    ),
    "a layer of another model": (
        tensors(lambda loaded: loaded.update({f"{peft_files.PREFIX}h.0.attn.lora_A.weight": torch.ones(2, 2)})),
        ("h.0.attn", "model.base"),
    ),
    "embeddings": (
        tensors(lambda loaded: loaded.update({f"{peft_files.PREFIX}wte.lora_embedding_A": torch.ones(2, 2)})),
        ("lora_embedding_A",),
    ),
    "NaN": (tensors(lambda loaded: loaded[f"{Q}.lora_A.weight"].fill_(torch.nan)), ("q_proj.lora_A.weight", "NaN")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_our_adapters_do_not_have_is_refused_by_name(fault: str, saved: Path, lora: Path) -> None:
    breaking, facts = FAULTS[fault]
    breaking(lora)
    with pytest.raises(BadModel) as refused:
        read(lora, saved, "d")
    assert [fact for fact in facts if fact not in str(refused.value)] == []


def test_another_vocabulary_is_refused(tiny: Policy, saved: Path, lora: Path) -> None:
    tiny.tokenizer.save_pretrained(lora)
    assert read(lora, saved, "d").facts.rank == 2
    file = lora / "tokenizer.json"
    values = json.loads(file.read_text())
    values["model"]["vocab"]["zebra"] = len(values["model"]["vocab"]) + 100
    file.write_text(json.dumps(values))
    with pytest.raises(BadModel, match="another vocabulary"):
        read(lora, saved, "d")
