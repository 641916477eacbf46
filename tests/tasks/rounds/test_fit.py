"""A round that cannot fit into memory or on the disk is refused, with the settings with which it would."""

import json
from pathlib import Path

import pytest
from transformers import LlamaConfig

from core.errors import BadParams
from core.settings import override, parse
from models.adapters import AdapterSettings
from models.machine import Machine
from tasks.rounds import fit
from tasks.rounds.continuity import Continued
from tasks.rounds.params import RoundSettings
from tasks.state.workspace import Workspace
from tests.models.shapes import SMOLLM2

GB = 10**9


def settings(*overrides: str) -> RoundSettings:
    return parse(RoundSettings, override({}, [word.strip("'") for word in overrides]), "here")


@pytest.fixture
def base(tmp_path: Path) -> str:
    """The shape of a model with .1B parameters; no weights."""
    SMOLLM2.save_pretrained(tmp_path)
    return f"model.base={tmp_path}"


def check(params: RoundSettings, machine: Machine, champion: Continued | None = None) -> None:
    fit.check(params, fit.estimate(params, machine, champion))


def champion(adapter: AdapterSettings | None = None, rebased: bool = False) -> Continued:
    return Continued("policy-3", adapter, rebased)


def cure(params: RoundSettings, machine: Machine) -> list[str]:
    found = fit.cure(params, fit.estimate(params, machine))
    assert found is not None
    return found.overrides


def override_with(params: RoundSettings, overrides: list[str]) -> RoundSettings:
    return parse(RoundSettings, override(params.plain(), [word.strip("'") for word in overrides]), "here")


COMPACT = "model.compact_memory=true"
ROWS = ["collect.batch=32", "sample.batch=32", "policy.sampling.batch=32"]


def test_a_default_round_fits_into_2_gigabytes() -> None:
    found = fit.estimate(settings(), Machine(2 * GB, None))
    assert found.fits
    assert list(found.needs) == ["collect", "sft", "reward", "policy", "sample", "evaluate"]
    check(settings(), Machine(2 * GB, None))


def test_the_answers_to_a_prompt_are_in_one_microbatch(base: str) -> None:
    """256 + 512 tokens: 2 answers to a prompt are 1,536 tokens of a microbatch of 2,048, but 4 are 3,072."""
    limits = (base, "model.max_answer_tokens=512", "reward.likelihood=0.1")
    two, four = (
        fit.estimate(settings(*limits, f"collect.answers={count}"), Machine(GB, None)).needs["reward"].activations
        for count in (2, 4)
    )
    assert 1.5 * two < four < 2 * two


def test_where_sampling_needs_most_fewer_rows_are_sampled_together(base: str) -> None:
    params = settings(base, "model.adapter={rank: 8}", "model.microbatch_tokens=400", "collect.batch=1000")
    step, needed = fit.estimate(params, Machine(GB, None)).largest
    assert step == "collect"
    assert cure(params, Machine(needed - 1, None)) == ROWS


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The shape of Llama 3.1 8B; no weights."""
    config = LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        intermediate_size=14_336,
        tie_word_embeddings=False,
    )
    folder = tmp_path_factory.mktemp("large")
    config.save_pretrained(folder)
    return f"model.base={folder}"


def test_a_model_of_8b_fits_on_a_card_of_24_gb_with_adapters_and_bfloat16(large: str) -> None:
    """The base has 32 GB in float32 and 16 in bfloat16."""
    card = Machine(64 * GB, 24 * GB)
    for params in (settings(large), settings(large, "model.adapter={rank: 4}")):
        overrides = cure(params, card)
        assert overrides[-1] == "model.dtype=bfloat16"
        assert COMPACT not in overrides
        check(override_with(params, overrides), card)


def test_adapters_in_float32_come_before_bfloat16(large: str) -> None:
    assert "model.dtype=bfloat16" not in cure(settings(large), Machine(64 * GB, 80 * GB))


def test_on_a_gpu_training_is_estimated_as_with_compact_memory(base: str) -> None:
    plain, compact = (
        fit.estimate(settings(base, *words), Machine(GB, 24 * GB)).needs["sft"] for words in ([], [COMPACT])
    )
    assert plain == compact
    assert fit.estimate(settings(base), Machine(24 * GB, None)).needs["sft"].activations > plain.activations


def test_with_a_whole_champion_adapters_need_a_base_made_from_it(base: str) -> None:
    machine, params = Machine(4 * GB, None), settings(base)
    with pytest.raises(BadParams, match="make the champion a base with `rounds rebase`, then set -S") as refused:
        check(params, machine, champion())
    assert "-S model.base=policy-3 " in str(refused.value)
    assert "-S 'model.adapter={rank: 8}'" in str(refused.value)
    with pytest.raises(BadParams) as refused:
        check(params, machine, champion(rebased=True))
    assert "rebase" not in str(refused.value)
    with pytest.raises(BadParams, match=r"use a new workspace with a smaller model\.base, or a machine with at least"):
        check(params, Machine(GB, None), champion())


def test_the_settings_of_the_message_fit(base: str) -> None:
    machine = Machine(4 * GB, None)
    with pytest.raises(BadParams, match=r"-S 'model.adapter=\{rank: 8\}'") as refused:
        check(settings(base), machine)
    assert "4.0 GB" in str(refused.value)
    check(override_with(settings(base), cure(settings(base), machine)), machine)


def test_without_a_setting_that_fits_the_least_is_named(base: str) -> None:
    with pytest.raises(BadParams, match=r"at least [0-9.]+ GB of GPU memory") as refused:
        check(settings(base), Machine(64 * GB, GB))
    least = float(str(refused.value).rsplit("at least ")[1].split()[0])
    assert cure(settings(base), Machine(64 * GB, round(least * GB)))
    assert fit.cure(settings(base), fit.estimate(settings(base), Machine(64 * GB, round((least - 0.1) * GB)))) is None


def test_a_gpu_does_not_hold_the_libraries(base: str) -> None:
    need = fit.estimate(settings(base), Machine(GB, None)).needs["policy"]
    assert fit.required(need, Machine(GB, None)) - fit.required(need, Machine(GB, GB)) == 600 * 2**20


def test_the_round_after_a_rebase_has_two_bases(base: str) -> None:
    """One base of .13B parameters has .54 GB in float32."""
    params = settings(base, "model.adapter={rank: 8}")
    before, after = (
        fit.estimate(params, Machine(GB, None), champion(AdapterSettings(), rebased)).needs for rebased in (False, True)
    )
    assert after["sample"].weights - before["sample"].weights == pytest.approx(0.538 * GB, rel=0.01)
    assert {step for step, need in after.items() if need != before[step]} == {"sample", "evaluate"}


def test_a_round_that_does_not_fit_on_the_disk_is_refused(base: str) -> None:
    """One copy of .13B has .54 GB. Four are saved; two checkpoints have three of policy and critic each."""
    params = settings(base, "policy.steps=12")
    written = fit.estimate(params, Machine(64 * GB, None)).written
    assert written == pytest.approx(16 * 0.538 * GB, rel=0.01)
    check(params, Machine(64 * GB, None, disk=written))
    small = Machine(64 * GB, None, disk=written - 1)
    message = r"writes about 8\.6 GB, and its disk has room for 8\.6 GB; set -S policy.checkpoint_every=12$"
    with pytest.raises(BadParams, match=message):
        check(params, small)
    check(override_with(params, cure(params, small)), small)
    assert cure(params, Machine(64 * GB, None, disk=2 * GB)) == ["'model.adapter={rank: 8}'"]


def test_where_memory_and_disk_are_small_the_settings_are_enough_for_both(base: str) -> None:
    params = settings(base, "policy.steps=12", "model.adapter={rank: 8}")
    large = fit.estimate(params, Machine(64 * GB, None))
    small = Machine(large.largest[1] - 1, None, disk=large.written - 1)
    message = r"^the step .*; the round writes about .*; set -S policy\.checkpoint_every=12 -S"
    with pytest.raises(BadParams, match=message):
        check(params, small)
    check(override_with(params, cure(params, small)), small)


def test_without_a_setting_the_missing_disk_is_named(base: str) -> None:
    with pytest.raises(BadParams, match=r"free at least 0\.1 GB of that disk"):
        check(settings(base), Machine(64 * GB, None, disk=1))


def test_on_this_machine(workspace: Workspace) -> None:
    found = fit.foreseen(workspace, settings())
    assert found.machine.disk is not None
    assert found.machine.disk > 0


def test_a_round_that_fits_needs_no_other_setting(base: str) -> None:
    assert cure(settings(base), Machine(64 * GB, None)) == []


def test_as_json_every_step_has_its_parts_and_every_part_its_knobs() -> None:
    values = json.loads(json.dumps(fit.estimate(settings(), Machine(2 * GB, None)).to_json()))
    [policy] = [step for step in values["steps"] if step["step"] == "policy"]
    assert {*values["knobs"], "libraries", "total", "step"} == policy.keys()
    assert values["machine"] == {"memory": 2 * GB, "gpu": None, "disk": None, "gpus": 0}
    assert values["written"] == sum(step["disk"] for step in values["steps"])


def test_processes_on_a_cpu_need_the_memory_of_as_many_models() -> None:
    one, two = (
        fit.estimate(settings(f"policy.launch.processes={count}", "policy.minibatch=64"), Machine(GB, None)).needs
        for count in (1, 2)
    )
    assert two["reward"] == one["reward"]
    assert two["policy"].weights == 2 * one["policy"].weights
    assert two["policy"].moments == 2 * one["policy"].moments
    assert two["policy"].disk == one["policy"].disk
    assert two["policy"].libraries == 3 * one["policy"].libraries  # and the process of the round
    on_gpu = fit.estimate(settings("policy.launch.processes=2"), Machine(GB, 64 * GB, gpus=2)).needs["policy"]
    assert on_gpu.weights == one["policy"].weights


def test_each_process_needs_a_gpu_of_its_own() -> None:
    wanted = settings("reward.launch.processes=4")
    with pytest.raises(BadParams, match=r"set -S reward\.launch\.processes=2"):
        check(wanted, Machine(64 * GB, 80 * GB, gpus=2))
    check(wanted, Machine(64 * GB, 80 * GB, gpus=4))
    check(wanted, Machine(64 * GB, None))
