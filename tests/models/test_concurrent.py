"""Concurrent requests get the answers that each would get alone."""

import threading
from collections.abc import Iterator, Sequence
from queue import Queue
from typing import Any

import pytest
from transformers import PreTrainedModel

from models import concurrent
from models.concurrent import Capacity, ConcurrentDecoder, DecodingJob, ModelUnavailable, QueueFull, TokenChunk
from models.decoding import DecodingLoop, DecodingRequest, decode, seeded_uniforms
from tests.models import families
from tests.models.held import SECONDS, Held
from tests.serving.served import until

PROMPTS = [[5, 6, 7, 8], [20, 21], [30, 31, 32, 33, 34, 35], [40]]


@pytest.fixture
def llama() -> PreTrainedModel:
    return families.model("llama")


@pytest.fixture
def decoder(llama: PreTrainedModel) -> Iterator[ConcurrentDecoder]:
    opened = ConcurrentDecoder(llama, [], 0, "float32", Capacity(rows=3, waiting=8))
    yield opened
    opened.close()


class Received:
    """The chunks of one request, as they arrive."""

    def __init__(self) -> None:
        self.chunks: Queue[TokenChunk] = Queue()

    def all(self) -> list[int]:
        ids: list[int] = []
        while True:
            chunk = self.chunks.get(timeout=SECONDS)
            if chunk.error:
                raise chunk.error
            ids += chunk.ids
            if chunk.ended:
                return ids


def request(prompt: Sequence[int], seed: int, limit: int = 12) -> DecodingRequest:
    return DecodingRequest(prompt, limit, seeded_uniforms(limit, seed))


def submitted(decoder: ConcurrentDecoder, *requests: DecodingRequest) -> tuple[list[Received], list[DecodingJob]]:
    receivers = [Received() for _ in requests]
    rows = [(asked, receiver.chunks.put) for asked, receiver in zip(requests, receivers, strict=True)]
    return receivers, decoder.submit(rows)


def test_requests_of_several_threads_get_the_answers_that_they_get_alone(
    llama: PreTrainedModel, decoder: ConcurrentDecoder
) -> None:
    rows = [request(prompt, seed) for seed, prompt in enumerate(PROMPTS)]
    alone = [decode(DecodingLoop(llama, [], 0), [row])[0].ids for row in rows]
    answers: dict[int, list[int]] = {}

    def ask(index: int) -> None:
        [received], _ = submitted(decoder, rows[index])
        answers[index] = received.all()

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(rows))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert [answers[index] for index in range(len(rows))] == alone


def test_tokens_arrive_one_by_one(decoder: ConcurrentDecoder) -> None:
    [received], _ = submitted(decoder, request([5, 6], 0, limit=5))
    chunks = [received.chunks.get(timeout=SECONDS) for _ in range(5)]
    assert [len(chunk.ids) for chunk in chunks] == [1] * 5
    assert [chunk.ended for chunk in chunks] == [False] * 4 + [True]


def test_an_answer_that_nobody_follows_arrives_in_two_chunks(decoder: ConcurrentDecoder) -> None:
    received = Received()
    decoder.submit([(request([5, 6], 0, limit=5), received.chunks.put)], every=3600.0)
    assert [len(received.chunks.get(timeout=SECONDS).ids) for _ in range(2)] == [1, 4]


def test_requests_that_are_withdrawn_give_their_places_to_the_next(decoder: ConcurrentDecoder) -> None:
    receivers, jobs = submitted(decoder, *(request([5], seed, limit=400) for seed in range(3)))
    for received in receivers:
        assert not received.chunks.get(timeout=SECONDS).ended
    with Held(decoder):
        [fourth], _ = submitted(decoder, request([6], 9, limit=3))
        decoder.withdraw(jobs)
    assert len(fourth.all()) == 3
    assert (decoder.active, decoder.waiting) == (0, 0)
    assert not any(chunk.ended for received in receivers for chunk in received.chunks.queue)


def test_no_more_than_the_capacity_may_wait(decoder: ConcurrentDecoder) -> None:
    held = Held(decoder)
    submitted(decoder, *(request([5], seed) for seed in range(6)))
    with pytest.raises(QueueFull, match="6 answers wait for the model, and at most 8 may; try again later"):
        submitted(decoder, *(request([5], seed) for seed in range(3)))
    assert decoder.waiting == 6
    held.release()


def test_an_error_of_the_model_ends_what_is_under_way_and_nothing_else(decoder: ConcurrentDecoder) -> None:
    [received], _ = submitted(decoder, request([10**9], 0))
    with pytest.raises(IndexError):
        received.all()
    [received], _ = submitted(decoder, request([5], 0, limit=4))
    assert len(received.all()) == 4


def test_a_model_that_always_fails_ends_the_decoder_and_all_requests(
    llama: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrent, "PAUSE", 0.01)
    decoder = ConcurrentDecoder(llama, [], 0, "float32", Capacity(rows=1, waiting=8))
    model: Any = llama
    with Held(decoder):
        receivers, _ = submitted(decoder, *(request([5], seed) for seed in range(3)))
        model.model = None  # every forward pass fails
    for received in receivers:
        with pytest.raises((TypeError, ModelUnavailable)):
            received.all()
    decoder._thread.join(SECONDS)
    assert decoder.ended
    with pytest.raises(ModelUnavailable, match="the model fails whatever it is asked: 'NoneType'"):
        submitted(decoder, request([5], 0))
    decoder.close()


def test_a_model_that_works_again_is_asked_again(llama: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrent, "PAUSE", 0.01)
    monkeypatch.setattr(concurrent, "PROBES", 10**6)
    decoder = ConcurrentDecoder(llama, [], 0, "float32", Capacity(rows=1, waiting=8))
    model: Any = llama
    network = model.model
    with Held(decoder):
        [received], _ = submitted(decoder, request([5], 0))
        model.model = None
    with pytest.raises(TypeError):
        received.all()
    until(lambda: decoder.problem is not None)
    model.model = network
    until(lambda: decoder.problem is None)
    [received], _ = submitted(decoder, request([5], 0, limit=4))
    assert len(received.all()) == 4
    decoder.close()


def test_an_error_between_two_steps_does_not_end_the_thread(decoder: ConcurrentDecoder) -> None:
    [received], jobs = submitted(decoder, request([5], 0, limit=400))
    assert not received.chunks.get(timeout=SECONDS).ended
    with Held(decoder):
        [next_one], _ = submitted(decoder, request([6], 1, limit=4))
        decoder.withdraw(jobs)
        loop: Any = decoder._loop
        loop.withdraw = failing
    assert len(next_one.all()) == 4


def failing(_: int) -> None:
    raise RuntimeError("the state of the loop is damaged")


def test_whoever_cannot_be_told_is_withdrawn(decoder: ConcurrentDecoder) -> None:
    told = []

    def gone(chunk: TokenChunk) -> None:
        told.append(chunk)
        raise ConnectionError("the client is gone")

    decoder.submit([(request([5], 0, limit=400), gone)])
    [received], _ = submitted(decoder, request([6], 1, limit=4))
    assert len(received.all()) == 4
    assert len(told) == 1


def test_what_is_under_way_when_it_closes_gets_an_error(llama: PreTrainedModel) -> None:
    decoder = ConcurrentDecoder(llama, [], 0, "float32", Capacity(rows=1, waiting=8))
    receivers, _ = submitted(decoder, request([5], 0, limit=400), request([5], 1, limit=400))
    decoder.close()
    for received in receivers:
        with pytest.raises(ModelUnavailable, match="stopping"):
            received.all()
    with pytest.raises(ModelUnavailable, match="stopping"):
        submitted(decoder, request([5], 0))
