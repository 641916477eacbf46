from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from models.decoding import (
    IMMEDIATELY,
    SELDOM,
    DecodingLoop,
    DecodingRequest,
    Pace,
    SampledAnswer,
    decode,
    seeded_uniforms,
)
from models.growing_cache import GrowingCache
from models.network import WholeNetwork
from models.policy import Policy
from models.rollout import SamplingSettings, sample
from models.seeding import generator
from models.shared_base import BASE, SharedBase
from models.tokens import pad
from tests.models import families

PROMPTS = [[5, 6, 7, 8, 9, 10, 11, 12, 13], [20, 21, 22], [30, 31, 32, 33, 34, 35], [40], [41, 42, 43]]
LIMITS = [12, 9, 12, 5, 11]
PACES = {"immediately": IMMEDIATELY, "seldom": SELDOM, "never": Pace(1000, 1.0)}


@pytest.fixture
def llama() -> PreTrainedModel:
    return families.model("llama")


def decoder(model: PreTrainedModel, pace: Pace | None = None) -> DecodingLoop:
    return DecodingLoop(model, families.END_IDS, 0, pace)


def requests(adapters: Sequence[str | None] = (None,) * 5, temperature: float = 1.0) -> list[DecodingRequest]:
    rows = zip(PROMPTS, LIMITS, adapters, strict=True)
    return [
        DecodingRequest(prompt, limit, seeded_uniforms(limit, index), temperature, adapter)
        for index, (prompt, limit, adapter) in enumerate(rows)
    ]


def ids(answers: Sequence[SampledAnswer]) -> list[list[int]]:
    return [answer.ids for answer in answers]


def one_after_the_other(model: PreTrainedModel, rows: Sequence[DecodingRequest]) -> list[SampledAnswer]:
    return [decode(decoder(model), [row])[0] for row in rows]


def arriving(running: DecodingLoop, rows: Sequence[DecodingRequest]) -> list[SampledAnswer]:
    """Each request arrives two steps after the one before."""
    tickets, answers = list[int](), dict[int, SampledAnswer]()
    for row in rows:
        tickets += running.admit([row])
        assert running.batches == 1
        answers |= running.step()
        answers |= running.step()
    while running.active:
        answers |= running.step()
    return [answers[ticket] for ticket in tickets]


def mismatch(model: PreTrainedModel, answers: Sequence[SampledAnswer]) -> float:
    """Largest difference in log-probability between a forward pass and the decoder, in nats."""
    batch = pad(PROMPTS, ids(answers), 0)
    with torch.no_grad():
        recomputed = WholeNetwork(model).logprobs(batch)[batch.response]
    sampled = torch.tensor([value for answer in answers for value in answer.logprobs])
    return (recomputed - sampled).abs().max().item()


# --- the loop as it was before rows could be admitted: tokens and log-probabilities are equal to the last bit ---


def loop_of_before(
    policy: Policy, prompts: Sequence[Sequence[int]], limit: int, uniforms: Tensor, temperature: float
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Rows, tokens and log-probabilities of each step of one batch of prompts of equal length."""
    tokens = torch.tensor(prompts)
    mask, cache = torch.ones_like(tokens, dtype=torch.bool), DynamicCache(config=policy.model.config)
    positions, rows = mask.cumsum(dim=1) - 1, torch.arange(len(prompts))
    for step in range(limit):
        logits = policy.model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        logprobs = (logits.float() / temperature).log_softmax(dim=-1)
        cumulative = logprobs.exp().cumsum(dim=-1, dtype=torch.float64)
        threshold = uniforms[rows, step][:, None] * cumulative[:, -1:]
        chosen = torch.searchsorted(cumulative, threshold, right=True)[:, 0].clamp(max=logprobs.shape[1] - 1)
        yield rows, chosen, logprobs.gather(1, chosen[:, None])[:, 0]
        active = (~torch.isin(chosen, torch.tensor(policy.end_ids))).nonzero()[:, 0]
        if len(active) == 0:
            break
        rows, chosen, mask, positions = rows[active], chosen[active], mask[active], positions[active]
        cache.batch_select_indices(active)
        tokens, positions = chosen[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_rollout_is_that_of_before_to_the_last_bit(tiny: Policy, temperature: float) -> None:
    tiny.model.generation_config.eos_token_id = list(range(0, 300, 10))
    prompts = [[index, 7, 8, 9] for index in range(11, 51)]
    uniforms = torch.rand(40, 16, dtype=torch.float64, generator=generator(0))
    rollout = sample(tiny, prompts, SamplingSettings(temperature=temperature), 16, generator(0))
    with torch.no_grad():
        for step, (rows, tokens, logprobs) in enumerate(loop_of_before(tiny, prompts, 16, uniforms, temperature)):
            assert torch.equal(rollout.batch.ids[rows, 4 + step], tokens)
            assert torch.equal(rollout.logprobs[rows, 4 + step], logprobs)
    assert 0 < rollout.ended.sum() < 40


# --- rows that come and go ---


@pytest.mark.parametrize("pace", PACES.values(), ids=PACES)
def test_an_answer_does_not_depend_on_who_comes_and_goes(llama: PreTrainedModel, pace: Pace) -> None:
    alone = one_after_the_other(llama, requests())
    assert len({len(answer.ids) for answer in alone}) > 2
    for answers in (decode(decoder(llama, pace), requests()), arriving(decoder(llama, pace), requests())):
        assert ids(answers) == ids(alone)
        assert mismatch(llama, answers) < 1e-5


def test_rows_of_one_batch_have_their_own_temperature_and_greediness(llama: PreTrainedModel) -> None:
    hot = requests(temperature=1.5)
    mixed = [hot[0], hot[1]._replace(uniforms=None), hot[2]._replace(temperature=0.3), *hot[3:]]
    assert ids(decode(decoder(llama), mixed)) == ids(one_after_the_other(llama, mixed))
    assert ids(arriving(decoder(llama), mixed)) == ids(one_after_the_other(llama, mixed))


def test_a_withdrawn_request_is_never_answered(llama: PreTrainedModel) -> None:
    expected = decode(decoder(llama), requests())
    running = decoder(llama)
    tickets = running.admit(requests())
    answers = running.step()
    running.withdraw(tickets[2])
    while running.active:
        answers |= running.step()
    assert sorted(answers) == [ticket for ticket in tickets if ticket != tickets[2]]
    assert [answers[ticket].ids for ticket in sorted(answers)] == [expected[row].ids for row in (0, 1, 3, 4)]


def test_the_last_withdrawn_request_leaves_an_empty_decoder(llama: PreTrainedModel) -> None:
    running = decoder(llama)
    [ticket] = running.admit(requests()[:1])
    running.withdraw(ticket)
    assert (running.active, running.batches, running.step()) == (0, 0, {})


def test_a_batch_that_never_empties_does_not_grow(llama: PreTrainedModel) -> None:
    running = decoder(llama, IMMEDIATELY)
    for arrival in range(30):
        running.admit([DecodingRequest([50, 51], 4, seeded_uniforms(4, arrival))])
        running.step()
    [batch] = running._batches
    assert isinstance(batch.cache, GrowingCache)
    assert batch.cache.layers.get_seq_length() <= 6


def test_a_row_that_has_ended_and_is_not_yet_removed_stays_within_the_positions() -> None:
    model = families.model("gpt2", n_positions=21)  # the longest prompt with its answer has 21 tokens
    answers = decode(decoder(model, Pace(1000, 1.0)), requests())
    assert ids(answers) == ids(decode(decoder(model), requests()))


def test_unknown_cache_layers_are_decoded_as_a_batch_of_their_own(
    llama: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.caches._MERGEABLE", set())
    running = decoder(llama)
    tickets = [*running.admit(requests()[:2]), *running.admit(requests()[2:])]
    assert running.batches == 2
    answers: dict[int, SampledAnswer] = {}
    while running.active:
        answers |= running.step()
    assert [answers[ticket].ids for ticket in tickets] == ids(one_after_the_other(llama, requests()))


def test_no_requests_get_no_answers(llama: PreTrainedModel) -> None:
    assert decode(decoder(llama), []) == []


def test_a_prompt_that_several_rows_have_is_processed_once(llama: PreTrainedModel) -> None:
    read: list[int] = []
    handle = llama.register_forward_pre_hook(
        lambda _, arguments, inputs: read.append(inputs["input_ids"].numel()), with_kwargs=True
    )
    twice = [DecodingRequest(PROMPTS[0], 4, seeded_uniforms(4, seed)) for seed in (1, 2)]
    other = DecodingRequest(PROMPTS[2], 4, seeded_uniforms(4, 3))
    answers = decode(decoder(llama), [twice[0], other, twice[1]])
    handle.remove()
    assert read[0] == 2 * len(PROMPTS[0])  # two prompts, padded to the longer one
    assert ids(answers) == ids(one_after_the_other(llama, [twice[0], other, twice[1]]))
    assert answers[0].ids != answers[2].ids


# --- an adapter a row ---


def test_rows_with_different_adapters_in_one_batch_answer_as_alone(adapted: PreTrainedModel) -> None:
    mixed = requests(["first", BASE, "second", "second", "first"])
    base, first, second = (decode(decoder(adapted), requests([name] * 5)) for name in (BASE, "first", "second"))
    expected = [first[0].ids, base[1].ids, second[2].ids, second[3].ids, first[4].ids]
    assert ids(base) != ids(first) != ids(second)
    assert ids(decode(decoder(adapted), mixed)) == expected
    assert ids(arriving(decoder(adapted), mixed)) == expected


def test_a_named_adapter_answers_as_when_it_is_active(adapted: PreTrainedModel, shared_base: SharedBase) -> None:
    named = decode(decoder(adapted), requests(["second"] * 5))
    with shared_base.active("second"):
        assert ids(decode(decoder(adapted), requests())) == ids(named)


def test_without_a_name_the_active_adapter_answers_whoever_is_beside(adapted: PreTrainedModel) -> None:
    unnamed = decode(decoder(adapted), requests())
    assert ids(unnamed) == ids(decode(decoder(adapted), requests(["first"] * 5)))
    mixed = requests(["second", None, None, None, None])
    assert ids(decode(decoder(adapted), mixed))[1:] == ids(arriving(decoder(adapted), mixed))[1:] == ids(unnamed)[1:]


def test_the_base_alone_answers_as_with_the_adapters_off(adapted: PreTrainedModel, shared_base: SharedBase) -> None:
    named = decode(decoder(adapted), requests([BASE] * 5))
    with shared_base.active(None):
        assert ids(decode(decoder(adapted), requests())) == ids(named)
        mixed = decode(decoder(adapted), requests([None, "first", None, None, None]))
    assert ids(mixed)[0] == ids(named)[0]
    assert ids(mixed)[1] == ids(decode(decoder(adapted), requests(["first"] * 5)))[1]
