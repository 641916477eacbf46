"""What adapters cannot change: layers whose weights are read directly, and names that peft takes for experts."""

import warnings
from pathlib import Path

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from core.errors import BadParams
from models import adapters
from models.adaptable import problem
from models.adapters import AdapterSettings
from models.policy import ModelSettings, check_base
from models.shared_base import SharedBase
from tests.models import families

_SHAPE = families.FAMILIES["llama"][1]
_MIXER = {"mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 8}
_LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8}
_SHARED = {"n_routed_experts": 4, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1}
MODELS = {
    "falcon_h1": _SHAPE | _MIXER | {"mamba_d_ssm": 32},
    "deepseek_v3": _SHAPE | _LATENT | _SHARED | {"head_dim": 8, "num_key_value_heads": 4},
}
"""Models with a mixer beside attention, and with dense layers beside experts."""


def model(name: str) -> PreTrainedModel:
    """A random model, the same each time."""
    if name in families.FAMILIES:
        return families.model(name)
    torch.manual_seed(0)
    made: PreTrainedModel = AutoModelForCausalLM.from_config(CONFIG_MAPPING[name](**MODELS[name])).eval()
    return made


@pytest.mark.parametrize(
    ("name", "impossible"),
    [
        ("llama", []),
        ("opt", []),  # its `out_proj` is called
        ("lfm2", []),
        ("mamba", ["dt_proj", "out_proj"]),
        ("mamba2", ["out_proj"]),
        ("falcon_h1", ["out_proj"]),
        ("deepseek_v3", ["down_proj", "gate_proj", "up_proj"]),
    ],
)
def test_all_linear_leaves_out_what_can_have_no_adapter(
    name: str, impossible: list[str], tokenizer: PreTrainedTokenizerFast
) -> None:
    made = model(name)
    output = made.get_output_embeddings()
    linear = {
        path: path.rsplit(".", 1)[-1]
        for path, layer in made.named_modules()
        if isinstance(layer, torch.nn.Linear) and layer is not output
    }
    assert sorted(each for each in set(linear.values()) if problem(made, each)) == impossible
    base = SharedBase(made, tokenizer, "0" * 16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = base.add("policy", AdapterSettings(rank=2), seed=0)
    changed = {path for path, last in linear.items() if last not in impossible}
    assert {key.rsplit(".", 1)[0] for key in network.state_dict()} == changed


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("mamba", ("in_proj", "out_proj"), "'out_proj': the model reads the weights"),
        ("mamba2", ("out_proj",), "'out_proj': the model reads the weights"),
        ("falcon_h1", ("out_proj", "q_proj"), "'out_proj': the model reads the weights"),
        ("deepseek_v3", ("up_proj",), "'up_proj': peft would change the experts"),
        ("deepseek_v3", ("gate_proj", "up_proj"), "'gate_proj': peft would change the experts"),
    ],
)
def test_a_target_that_can_have_no_adapter_is_refused_before_a_round_and_the_cure_works(
    name: str, wanted: tuple[str, ...], message: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    made = model(name)
    made.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    settings = ModelSettings(
        base=str(tmp_path), adapter=AdapterSettings(targets=wanted), max_prompt_tokens=8, max_answer_tokens=1
    )
    with pytest.raises(BadParams, match=f"model\\.adapter\\.targets: {message}") as refused:
        check_base(settings, tmp_path / "no-champion")
    possible = tuple(str(refused.value).split("use some of ")[1].split(", "))
    cured = AdapterSettings(rank=2, targets=possible)
    check_base(settings.model_copy(update={"adapter": cured}), tmp_path / "no-champion")
    assert SharedBase(made, tokenizer, "0" * 16).add("policy", cured, seed=0).state_dict()


def test_a_model_without_any_such_layer_trains_all_its_weights() -> None:
    bare = families.model("mamba2")
    for block in bare.backbone.layers:
        block.mixer.in_proj = torch.nn.Identity()
    with pytest.raises(BadParams, match=r"mamba2 has no layer .*set model\.adapter=null"):
        adapters.targets(bare, "all-linear")
