"""Decoding with tensors that stay where they are gives what decoding with growing ones gives.

`recorded.record` stands for CUDA graphs: it runs the recorded operations again, and none of the Python around them.
"""

from collections.abc import Callable, Sequence

import pytest
import torch
from transformers import PreTrainedModel

from models.compute import Compute, computing
from models.decoding import DecodingLoop, DecodingRequest, Pace, SampledAnswer, decode, seeded_uniforms
from models.graphs import Eager, Graphed, RecordedStep, Step, record_on_gpu, runner, why_not
from models.growing_cache import GrowingCache
from models.network import WholeNetwork
from models.shared_base import BASE, SharedBase
from models.static_cache import StaticCache, automatic
from models.tokens import pad
from tests.models import families
from tests.models.recorded import HostReads, record
from tests.models.test_decoding import PACES, PROMPTS, arriving, requests

CPU = torch.device("cpu")
HELD = ("llama", "llama tied", "llama yarn", "qwen2", "qwen3", "phi3", "gpt_neox", "gpt2", "opt")
"""Families whose steps are recorded."""
RUN_ANEW = ("llama dynamic", "qwen3_moe", "bloom")
OTHERS = ("mistral", "gemma2", "gemma3", "lfm2", "qwen3_5", "mamba", "mamba2")
NEVER: tuple[int, ...] = ()


def with_static(model: PreTrainedModel, pace: Pace | None = None) -> tuple[DecodingLoop, StaticCache, Graphed]:
    """A decoder whose steps are recorded."""
    graphed = Graphed(record, CPU)
    cache = StaticCache(model, graphed)
    return DecodingLoop(model, families.END_IDS, 0, pace, cache), cache, graphed


def run_anew(model: PreTrainedModel, pace: Pace | None = None) -> DecodingLoop:
    return DecodingLoop(model, families.END_IDS, 0, pace, StaticCache(model, Eager()))


def growing(model: PreTrainedModel, pace: Pace | None = None) -> DecodingLoop:
    return DecodingLoop(model, families.END_IDS, 0, pace, None)


def assert_same(answers: Sequence[SampledAnswer], expected: Sequence[SampledAnswer], tolerance: float = 1e-5) -> None:
    assert [answer.ids for answer in answers] == [answer.ids for answer in expected]
    for answer, other in zip(answers, expected, strict=True):
        assert answer.logprobs == pytest.approx(other.logprobs, abs=tolerance, rel=tolerance)


def of_limits(limits: Sequence[int], prompt: int = 3) -> list[DecodingRequest]:
    """Requests with prompts of equal length."""
    return [
        DecodingRequest(list(range(10 + row, 10 + row + prompt)), limit, seeded_uniforms(limit, row))
        for row, limit in enumerate(limits)
    ]


@pytest.fixture
def llama() -> PreTrainedModel:
    return families.model("llama")


# --- the same answers ---


@pytest.mark.parametrize("pace", PACES.values(), ids=PACES)
@pytest.mark.parametrize("name", HELD)
def test_recorded_steps_give_the_answers_of_a_growing_cache(name: str, pace: Pace) -> None:
    model = families.model(name)
    expected = decode(growing(model), requests())
    assert len({len(answer.ids) for answer in expected}) > 2
    loop, _, graphed = with_static(model, pace)
    assert_same(decode(loop, requests()), expected)
    assert_same(arriving(loop, requests()), expected)  # the same tensors again
    assert graphed.buckets


@pytest.mark.parametrize("name", RUN_ANEW)
def test_steps_that_are_run_anew_give_the_answers_of_a_growing_cache(name: str) -> None:
    model = families.model(name)
    assert why_not(model) is not None
    expected = decode(growing(model), requests())
    assert_same(decode(run_anew(model), requests()), expected)
    assert_same(arriving(run_anew(model), requests()), expected)


@pytest.mark.parametrize("name", OTHERS)
def test_other_layers_have_a_growing_cache(name: str) -> None:
    model = families.model(name)
    loop, cache, graphed = with_static(model)
    loop.admit(requests()[:1])
    assert all(isinstance(batch.cache, GrowingCache) for batch in loop._batches)
    loop.step()
    assert (cache.slots, graphed.buckets) == ([], [])


def test_a_repeated_prompt_is_in_a_slot_for_each_row(llama: PreTrainedModel) -> None:
    rows = [*requests(), requests()[0]._replace(uniforms=seeded_uniforms(12, 77))]
    assert_same(decode(with_static(llama)[0], rows), decode(growing(llama), rows))


def mismatch_in_bfloat16(model: PreTrainedModel, answers: Sequence[SampledAnswer]) -> float:
    """Mean difference in log-probability between a forward pass and the decoder, in nats."""
    batch = pad(PROMPTS, [answer.ids for answer in answers], 0)
    with torch.no_grad():
        recomputed = WholeNetwork(model, Compute("bfloat16")).logprobs(batch)[batch.response]
    sampled = torch.tensor([value for answer in answers for value in answer.logprobs])
    return (recomputed - sampled).abs().mean().item()


def test_bfloat16_is_stored_as_it_is_read(llama: PreTrainedModel) -> None:
    loop, cache, graphed = with_static(llama)
    decode(loop, requests())  # in float32: other tensors, and other steps
    assert {tensor.dtype for tensor in cache.tensors[1:]} == {torch.float32}
    for _ in range(2):
        with computing(CPU, "bfloat16"):
            answers = decode(loop, requests())
            assert answers == decode(run_anew(llama), requests())
        assert mismatch_in_bfloat16(llama, answers) < 0.1
    assert {tensor.dtype for tensor in cache.tensors[1:]} == {torch.bfloat16}
    assert graphed.buckets


# --- where the tensors are, and how many buckets there are ---


def test_the_tensors_stay_where_they_are(llama: PreTrainedModel) -> None:
    loop, cache, _ = with_static(llama, PACES["immediately"])
    loop.admit(of_limits([4, 8, 30, 40, 61]))
    addresses = [tensor.data_ptr() for tensor in cache.tensors]
    while loop.active:
        loop.step()
        assert [tensor.data_ptr() for tensor in cache.tensors] == addresses
    decode(loop, of_limits([5, 6]))
    assert [tensor.data_ptr() for tensor in cache.tensors] == addresses
    assert all(tensor.shape[:1] + tensor.shape[2:3] == (8, 64) for tensor in cache.tensors[1:])


def test_the_buckets_of_a_batch(llama: PreTrainedModel) -> None:
    graphed = Graphed(record, CPU)
    cache = StaticCache(llama, graphed)
    loop = DecodingLoop(llama, NEVER, 0, PACES["immediately"], cache)
    decode(loop, of_limits([4, 8, 8, 60, 70]))  # 5 rows of up to 73 tokens; 4 after 4 steps; 2 after 8; 1 after 60
    assert graphed.buckets == [(8, 128), (4, 128), (2, 128), (1, 128)]
    decode(loop, of_limits([5, 5, 6]))  # 3 rows of up to 9 tokens; 1 after 5 steps
    assert graphed.buckets[4:] == [(4, 64), (1, 64)]
    decode(loop, of_limits([70, 70]))  # known: 2 rows
    assert len(graphed.buckets) == 6
    decode(loop, of_limits([70] * 9))  # larger tensors: what was recorded is dropped
    assert graphed.buckets == [(16, 128)]


def test_rows_are_moved_only_into_a_smaller_bucket(llama: PreTrainedModel) -> None:
    loop, cache, _ = with_static(llama, PACES["immediately"])
    expected = decode(growing(llama), rows := of_limits([2, 30, 2, 30, 30, 3, 5]))
    loop._end_ids = frozenset()
    tickets = loop.admit(rows)
    answers = loop.step() | loop.step()
    assert (cache.slots, cache.bucket) == ([1, 3, 4, 5, 6], (8, 64))
    answers |= loop.step()
    assert (cache.slots, cache.bucket) == ([1, 3, 0, 2], (4, 64))
    tickets += loop.admit([rows[0]._replace(limit=3)])
    assert (cache.slots, cache.bucket) == ([1, 3, 0, 2, 4], (8, 64))
    while loop.active:
        answers |= loop.step()
    for ticket, alone in zip(tickets, expected, strict=False):
        assert answers[ticket].ids[: len(alone.ids)] == alone.ids


def test_larger_tensors_keep_the_rows_that_are_running(llama: PreTrainedModel) -> None:
    rows = of_limits([20, 9, 80])
    loop, cache, _ = with_static(llama)
    tickets = loop.admit(rows[:1])
    answers = loop.step()
    assert cache.tensors[1].shape[:3:2] == (1, 64)
    tickets += loop.admit(rows[1:])
    assert cache.tensors[1].shape[:3:2] == (4, 128)
    while loop.active:
        answers |= loop.step()
    assert_same([answers[ticket] for ticket in tickets], decode(growing(llama), rows))


def test_a_free_slot_does_not_keep_a_position_beyond_a_smaller_bucket(llama: PreTrainedModel) -> None:
    loop = DecodingLoop(llama, NEVER, 0, None, StaticCache(llama, Eager()))
    decode(loop, of_limits([100] * 4))
    rows = of_limits([5] * 3)  # 64 columns, and a fourth slot
    assert_same(decode(loop, rows), decode(DecodingLoop(llama, NEVER, 0, None, None), rows))


# --- what the host waits for ---


@pytest.mark.parametrize(("greedy", "temperature"), [(False, 1.0), (True, 1.0), (False, 0.7)])
def test_the_host_waits_for_nothing_between_two_reads(llama: PreTrainedModel, greedy: bool, temperature: float) -> None:
    rows = [row._replace(temperature=temperature) for row in of_limits([20, 20, 20])]
    rows[0] = rows[0]._replace(uniforms=None) if greedy else rows[0]
    counts = {}
    for kind, cache in (("static", StaticCache(llama, Eager())), ("growing", None)):
        loop = DecodingLoop(llama, NEVER, 0, PACES["seldom"], cache)
        loop.admit(rows)
        with HostReads() as reads:
            for _ in range(7):
                loop.step()
        counts[kind] = reads.count
    assert counts["static"] == 0
    assert counts["growing"] > 0  # transformers asks in each step whether the mask is full


# --- adapters, and other changes of the model ---


def test_rows_with_adapters_of_their_own_are_run_anew(adapted: PreTrainedModel) -> None:
    mixed = requests(["first", BASE, "second", None, "first"])
    loop, _, graphed = with_static(adapted)
    expected = decode(growing(adapted), mixed)
    assert_same(decode(loop, mixed), expected)
    assert_same(arriving(loop, mixed), expected)
    decode(loop, requests())
    assert graphed.buckets


def test_steps_of_another_adapter_are_not_replayed(shared_base: SharedBase) -> None:
    loop, _, _ = with_static(shared_base.model)
    for name in ("first", "second", None):
        with shared_base.active(name):
            assert_same(decode(loop, requests()), decode(growing(shared_base.model), requests()))


def _in_place(model: PreTrainedModel) -> None:
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(0.9)


def _replaced(model: PreTrainedModel) -> None:
    for weight in model.parameters():
        weight.data = weight.data * 0.9


@pytest.mark.parametrize(("change", "recordings"), [(_in_place, 1), (_replaced, 2)])
def test_steps_use_the_weights_of_today(
    llama: PreTrainedModel, change: Callable[[PreTrainedModel], None], recordings: int
) -> None:
    made: list[RecordedStep] = []

    def note(step: Step, pool: object) -> RecordedStep:
        made.append(record(step, pool))
        return made[-1]

    loop = DecodingLoop(llama, NEVER, 0, None, StaticCache(llama, Graphed(note, CPU)))
    before = decode(loop, of_limits([6]))
    change(llama)
    after = decode(loop, of_limits([6]))
    assert before[0].logprobs != after[0].logprobs
    assert_same(after, decode(DecodingLoop(llama, NEVER, 0, None, None), of_limits([6])))
    assert len(made) == recordings


def test_rows_that_are_running_use_the_weights_of_today(llama: PreTrainedModel) -> None:
    rows, loops = of_limits([9, 2, 9]), (with_static(llama)[0], growing(llama))
    answers: list[dict[int, SampledAnswer]] = [{}, {}]
    for index, loop in enumerate(loops):
        loop._end_ids = frozenset()
        loop.admit(rows[:2])
        answers[index] |= loop.step() | loop.step()
    _replaced(llama)
    for index, loop in enumerate(loops):
        loop.admit(rows[2:])  # two rows again
        while loop.active:
            answers[index] |= loop.step()
    static, expected = ([given[ticket] for ticket in range(3)] for given in answers)
    assert_same(static, expected)


def test_on_a_cpu_there_is_no_static_cache(llama: PreTrainedModel) -> None:
    assert automatic(llama) is None
    loop = DecodingLoop(llama, families.END_IDS, 0)
    loop.admit(requests())
    assert [type(batch.cache) for batch in loop._batches] == [GrowingCache]


# --- on a GPU ---

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("name", HELD)
def test_graphs_give_the_answers_of_a_growing_cache(name: str) -> None:
    model = families.model(name).to("cuda")
    graphed = runner(model)
    assert isinstance(graphed, Graphed)
    loop = DecodingLoop(model, families.END_IDS, 0, None, StaticCache(model, graphed))
    expected = decode(growing(model), requests())
    assert_same(decode(loop, requests()), expected, 1e-4)
    assert_same(arriving(loop, requests()), expected, 1e-4)
    assert graphed.buckets


@pytest.mark.gpu
@needs_gpu
def test_a_replay_gives_the_logits_of_the_step() -> None:
    model = families.model("llama").to("cuda")
    inputs = torch.tensor([[5], [6]], device="cuda")

    @torch.no_grad()
    def step() -> torch.Tensor:
        logits: torch.Tensor = model(inputs, use_cache=False).logits[:, -1]
        return logits

    first = record_on_gpu(step, None)
    again = record_on_gpu(step, first.pool)
    for tokens in ([[7], [8]], [[9], [10]]):
        inputs.copy_(torch.tensor(tokens))
        for recorded in (first, again):
            recorded.replay()
            torch.testing.assert_close(recorded.output, step(), atol=1e-5, rtol=0)
