"""A round that cannot fit into memory is refused, with the settings with which it would."""

import json
from pathlib import Path

import pytest
from transformers import LlamaConfig

from core.errors import BadParams
from core.settings import override, parse
from models.machine import Machine
from tasks.rounds import fit
from tasks.rounds.params import RoundSettings

GB = 10**9


def settings(*overrides: str) -> RoundSettings:
    return parse(RoundSettings, override({}, [word.strip("'") for word in overrides]), "here")


@pytest.fixture
def base(tmp_path: Path) -> str:
    """The shape of a model with .1B parameters; no weights."""
    config = LlamaConfig(
        vocab_size=49_152,
        hidden_size=576,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        intermediate_size=1536,
        tie_word_embeddings=True,
    )
    config.save_pretrained(tmp_path)
    return f"model.base={tmp_path}"


def check(params: RoundSettings, machine: Machine) -> None:
    fit.check(params, fit.estimate(params, machine))


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


def test_compact_memory_is_tried_first_then_smaller_microbatches(base: str) -> None:
    big = fit.estimate(settings(base), Machine(GB, None)).largest[1]
    assert fit.cure(settings(base), Machine(big - 1, None)) == ["model.compact_memory=true"]
    assert fit.cure(settings(base), Machine(big, None)) == []
    compact = settings(base, "model.compact_memory=true")
    big = fit.estimate(compact, Machine(GB, None)).largest[1]
    assert fit.cure(compact, Machine(big - 1, None)) == ["model.microbatch_tokens=1024"]


def test_where_sampling_needs_most_fewer_rows_are_sampled_together(base: str) -> None:
    params = settings(base, "model.adapter={rank: 8}", "model.microbatch_tokens=400", "collect.batch=1000")
    step, needed = fit.estimate(params, Machine(GB, None)).largest
    assert step == "collect"
    rows = fit.cure(params, Machine(needed - 1, None))
    assert rows == ["collect.batch=32", "sample.batch=32", "policy.sampling.batch=32"]


COMPACT = "model.compact_memory=true"


def test_then_gradient_checkpointing_then_adapters(base: str) -> None:
    tried = [overrides for _, overrides in fit.smaller(settings(base, "model.microbatch_tokens=300", COMPACT))]
    less, recompute, adapter = (
        "model.microbatch_tokens=256",
        "model.gradient_checkpointing=true",
        "'model.adapter={rank: 8}'",
    )
    rows = ["collect.batch=32", "sample.batch=32", "policy.sampling.batch=32"]
    assert tried[:4] == [[], rows, [less], [*rows, less]]
    assert tried[4::2] == [
        *([recompute], [less, recompute]),
        *([adapter], [less, adapter], [recompute, adapter], [less, recompute, adapter]),
    ]
    assert fit.cure(settings(base), Machine(4 * GB, None))[-1] == adapter


def test_the_settings_of_the_message_fit(base: str) -> None:
    machine = Machine(4 * GB, None)
    with pytest.raises(BadParams, match=r"-S 'model.adapter=\{rank: 8\}'") as refused:
        check(settings(base), machine)
    assert "4.0 GB" in str(refused.value)
    check(settings(base, *fit.cure(settings(base), machine)), machine)


def test_without_a_setting_that_fits_the_least_is_named(base: str) -> None:
    with pytest.raises(BadParams, match=r"at least [0-9.]+ GB of GPU memory"):
        check(settings(base), Machine(64 * GB, GB))


def test_a_gpu_does_not_hold_the_libraries(base: str) -> None:
    need = fit.estimate(settings(base), Machine(GB, None)).needs["policy"]
    assert fit.required(need, Machine(GB, None)) - fit.required(need, Machine(GB, GB)) == 600 * 2**20


def test_as_json_every_step_has_its_parts_and_every_part_its_knobs() -> None:
    values = json.loads(json.dumps(fit.estimate(settings(), Machine(2 * GB, None)).to_json()))
    [policy] = [step for step in values["steps"] if step["step"] == "policy"]
    assert {*values["knobs"], "total", "copy", "disk", "step"} == policy.keys()
    assert values["machine"] == {"memory": 2 * GB, "gpu": None}
