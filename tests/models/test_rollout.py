from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from models import side_by_side
from models.compute import Compute
from models.decoding import SELDOM, DecodingLoop, DecodingRequest, seeded_uniforms
from models.graphs import Graphed
from models.policy import Policy
from models.rollout import Rollout, SamplingSettings, _decoded, sample
from models.seeding import generator
from models.static_cache import StaticCache
from models.tokens import encode_prompts
from tests.models.recorded import record

# large weights give a random model a peaked distribution, so that a wrong position or mask changes the result
LARGE_WEIGHTS: dict[str, Any] = {"vocab_size": 300, "initializer_range": 0.3}
SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32} | LARGE_WEIGHTS
ARCHITECTURES = {
    "gpt2": (GPT2LMHeadModel, GPT2Config, {"n_embd": 16, "n_layer": 2, "n_head": 2} | LARGE_WEIGHTS),
    "llama": (LlamaForCausalLM, LlamaConfig, SHAPE | {"num_key_value_heads": 1}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, SHAPE | {"num_key_value_heads": 1, "head_dim": 8}),
    "gpt_neox": (GPTNeoXForCausalLM, GPTNeoXConfig, SHAPE),
}
QUESTIONS = ["hi", "where is my parcel", "can I return the lamp", "thank you so much for all of it", "yes"]
SAMPLING = SamplingSettings(batch=3)
LIMIT = 12


def saved(folder: Path, name: str, tokenizer: PreTrainedTokenizerFast, **more: Any) -> Policy:
    """A random model of the architecture, saved and loaded again; a tenth of its tokens end an answer."""
    model, config, shape = ARCHITECTURES[name]
    torch.manual_seed(0)
    model(config(**shape, **more, bos_token_id=1, eos_token_id=1)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    policy = Policy.load(folder)
    policy.model.generation_config.eos_token_id = list(range(1, 300, 10))
    return policy


def prompts(policy: Policy) -> list[list[int]]:
    conversations = [[{"role": "user", "content": text}] for text in QUESTIONS]
    return [encoded.ids for encoded in encode_prompts(policy.tokenizer, conversations, 64)]


@pytest.fixture
def llama(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> Policy:
    return saved(tmp_path, "llama", tokenizer)


def mismatch(policy: Policy, rollout: Rollout, temperature: float = 1.0) -> float:
    """Largest difference in log-probability between a forward pass and the sampler, in nats."""
    recomputed = policy.logprobs(rollout.batch, temperature)
    return (recomputed - rollout.logprobs).abs().max().item()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_rollout_and_forward_agree(name: str, tied: bool, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for form in ("tokenizer", "plain"):  # with a chat template, and without one and with EOS as the pad token
        policy = saved(tmp_path / form, name, request.getfixturevalue(form), tie_word_embeddings=tied)
        rollout = sample(policy, prompts(policy), SAMPLING, LIMIT, generator(0))
        assert len(set(rollout.batch.response.sum(dim=1).tolist())) > 1  # some rows ended before others
        assert mismatch(policy, rollout) < 1e-4


def test_the_logprobs_include_the_temperature(llama: Policy) -> None:
    rollout = sample(llama, prompts(llama), SamplingSettings(temperature=0.5), LIMIT, generator(0))
    assert mismatch(llama, rollout, temperature=0.5) < 1e-4
    assert mismatch(llama, rollout, temperature=1.0) > 0.1


@pytest.mark.parametrize("recompute", [False, True])
def test_several_threads_sample_the_same_answers(llama: Policy, recompute: bool) -> None:
    """Also where training computes activations again: then a forward pass with gradients would ignore the cache."""
    llama.network.compute = Compute(recompute=recompute)
    many, sampling = prompts(llama) * 10, SamplingSettings(batch=50)
    one = sample(llama, many, sampling, LIMIT, generator(0))
    torch.set_num_threads(2)
    assert len(side_by_side.parts(range(50), llama.model, llama.device)) == 2
    two = sample(llama, many, sampling, LIMIT, generator(0))
    assert two.answers == one.answers
    torch.testing.assert_close(two.logprobs, one.logprobs, atol=1e-5, rtol=0)
    assert mismatch(llama, two) < 1e-4


def test_several_threads_compute_in_the_type_of_the_policy(llama: Policy) -> None:
    """Autocast belongs to a thread: without it, the first log-probabilities would be those of float32."""
    many, sampling = prompts(llama) * 10, SamplingSettings(batch=50)
    torch.set_num_threads(2)
    first = []
    for dtype in ("float32", "bfloat16"):
        llama.network.compute = Compute(dtype)
        rollout = sample(llama, many, sampling, 1, generator(0))
        first.append(rollout.logprobs.sum(dim=1))
    assert (first[0] - first[1]).abs().median() > 1e-3


def test_an_answer_does_not_depend_on_its_batch(llama: Policy) -> None:
    together = sample(llama, prompts(llama), SAMPLING, LIMIT, generator(0))
    alone = sample(llama, prompts(llama), SamplingSettings(batch=1), LIMIT, generator(0))
    assert torch.equal(together.batch.ids, alone.batch.ids)
    torch.testing.assert_close(together.logprobs, alone.logprobs, atol=1e-5, rtol=0)


def test_rows_come_back_in_the_order_of_the_prompts(llama: Policy) -> None:
    token_ids = prompts(llama)
    rollout = sample(llama, token_ids, SAMPLING, LIMIT, generator(0))
    for row, prompt in enumerate(token_ids):
        assert rollout.batch.ids[row, : len(prompt)].tolist() == prompt
        assert not rollout.batch.response[row, : len(prompt)].any()


def test_the_same_seed_gives_the_same_answers(llama: Policy) -> None:
    first, again, other = (sample(llama, prompts(llama), SAMPLING, LIMIT, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.logprobs, again.logprobs)
    assert first.answers == again.answers != other.answers


def test_an_answer_ends_with_an_end_token_or_at_the_limit(llama: Policy) -> None:
    rollout = sample(llama, prompts(llama) * 4, SAMPLING, LIMIT, generator(0))
    assert 0 < rollout.ended.sum() < 20
    for ids, response, ended in zip(rollout.batch.ids, rollout.batch.response, rollout.ended, strict=True):
        answer = ids[response].tolist()
        assert (answer[-1] in llama.end_ids) == ended.item()
        assert not set(answer[:-1]) & set(llama.end_ids)
        assert ended or len(answer) == 12


def test_greedy_decoding_gives_the_same_tokens_as_generate(llama: Policy) -> None:
    token_ids = prompts(llama)
    rollout = sample(llama, token_ids, SAMPLING, LIMIT, generator(0), greedy=True)
    for row, prompt in enumerate(token_ids):
        expected = llama.model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), max_new_tokens=12, do_sample=False
        )
        assert rollout.batch.ids[row][rollout.batch.mask[row]].tolist() == expected[0].tolist()


def test_token_frequencies_match_the_models_probabilities(llama: Policy) -> None:
    token_ids = prompts(llama)[:1]
    rollout = sample(llama, token_ids * 4000, SamplingSettings(batch=4000), 1, generator(0))
    with torch.no_grad():
        expected = llama.model(torch.tensor(token_ids)).logits[0, -1].softmax(dim=-1)
    drawn = rollout.batch.ids[:, -1].bincount(minlength=300) / 4000
    assert (drawn - expected).abs().max() < 4 * (0.25 / 4000) ** 0.5  # four standard errors


def test_all_batches_use_the_steps_that_the_first_recorded(llama: Policy) -> None:
    graphed = Graphed(record, llama.device)
    static = StaticCache(llama.model, graphed)
    decoders = [DecodingLoop(llama.model, [], 0, SELDOM, static)]
    requests = [
        DecodingRequest(prompt, LIMIT, seeded_uniforms(LIMIT, row)) for row, prompt in enumerate(prompts(llama))
    ]
    first = _decoded(llama, decoders, requests, [0, 4, 1])
    assert sorted(first) == [0, 1, 4]
    recorded = graphed.buckets
    second = _decoded(llama, decoders, requests, [0, 4, 1])
    assert (second, len(decoders)) == (first, 1)
    assert graphed.buckets == recorded == [(4, 64)]


def test_progress_is_reported(llama: Policy) -> None:
    logged: list[tuple[float, int, int | None]] = []
    sample(
        llama,
        prompts(llama),
        SAMPLING,
        LIMIT,
        generator(0),
        log=lambda metrics, step, total=None: logged.append((metrics["answers"], step, total)),
    )
    assert logged == [(3, 0, 2), (5, 1, 2)]


def test_no_prompts_get_no_answers(llama: Policy) -> None:
    assert sample(llama, [], SAMPLING, LIMIT, generator(0)).answers == []
