"""Answers of an upstream server: whole, in pieces, broken off, refused, withdrawn, and more than it may write."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from models.concurrent import Capacity, ModelUnavailable, QueueFull
from models.upstream import AnswerRequest, TextChunk, Upstream, UpstreamModel
from models.upstream_settings import NoUpstream, UpstreamSettings
from tests.services.programs import free_port
from tests.serving.fake_openai import PIECES, FakeOpenAI, writing
from tests.serving.served import until

DIGEST = "0123456789abcdef"
TURNS = ({"role": "user", "content": "where is my parcel"},)


class Received:
    """Takes the pieces of an answer."""

    def __init__(self) -> None:
        self.chunks: list[TextChunk] = []
        self.ended = threading.Event()

    def __call__(self, chunk: TextChunk) -> None:
        self.chunks.append(chunk)
        if chunk.finish or chunk.error:
            self.ended.set()

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)


@contextmanager
def upstream(
    url: str, rows: int = 4, waiting: int = 4, patience: float = 20.0, poll: float = 0.05
) -> Iterator[Upstream]:
    with closing(Upstream(UpstreamSettings(url=url, patience=patience), Capacity(rows, waiting), poll)) as server:
        server.start()
        yield server


def asked(server: Upstream, count: int = 1, **more: Any) -> list[AnswerRequest]:
    model = UpstreamModel(server, "policy/1", DIGEST)
    return model.requests(TURNS, count, **({"limit": 48, "temperature": 1.0, "seed": 7} | more))


def written(fake: FakeOpenAI, patience: float = 20.0, **more: Any) -> Received:
    """The answer of a server to one request, after it has ended."""
    received = Received()
    with writing(fake), upstream(fake.url, patience=patience) as server:
        server.submit([(request, received) for request in asked(server, **more)])
        assert received.ended.wait(60)
        until(lambda: (server.active, server.waiting) == (0, 0))
    return received


def test_the_pieces_come_as_they_are_sent_and_the_last_one_has_the_tokens() -> None:
    fake = FakeOpenAI()
    received = written(fake, limit=5, temperature=0.0, stop=("END",))
    assert [chunk.text for chunk in received.chunks] == [*PIECES, ""]
    assert received.chunks[-1] == TextChunk("", "stop", prompt_tokens=9, tokens=7)
    [body] = fake.bodies
    sent = {
        "model": "policy/1",
        "messages": list(TURNS),
        "max_tokens": 5,
        "temperature": 0.0,
        "seed": 7,
        "stop": ["END"],
    }
    assert sent.items() <= body.items()
    assert (body["stream"], body["stream_options"], body["top_p"]) == (True, {"include_usage": True}, 1.0)


def test_each_of_several_answers_has_a_seed_of_its_own_and_the_first_has_the_one_that_was_asked() -> None:
    server = Upstream(UpstreamSettings(url="http://127.0.0.1:1/v1"), Capacity(1, 1), 1.0)
    seeds = [request.seed for request in asked(server, 3)]
    assert seeds == [request.seed for request in asked(server, 3)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(
    ("fake", "reason", "text"),
    [
        (FakeOpenAI(finish=None, usage=None), "broke off in the middle of an answer", "".join(PIECES)),
        (FakeOpenAI(finish=None), "broke off in the middle of an answer", "".join(PIECES)),
        (FakeOpenAI(usage=None), "did not count the tokens of an answer", "".join(PIECES)),
        (FakeOpenAI(finish="content_filter"), "finish_reason 'content_filter'", "".join(PIECES)),
        (FakeOpenAI(event='{"error": {"message": "no memory"}}'), "broke off with the error .*no memory", PIECES[0]),
        (FakeOpenAI(event="{"), "where a piece of an answer was expected", PIECES[0]),
        (FakeOpenAI(pieces=["a"] * 99), "beyond the limit of 5 tokens", "a" * (4 * 5 + 64)),
        (FakeOpenAI(fingerprint="policy-1-ffffffffffff"), "whose files are not those of the version", ""),
        (FakeOpenAI(status=500, body="oops"), "status 500: 'oops'", ""),
        (FakeOpenAI(status=404), "status 404", ""),
        (FakeOpenAI(status=401), "status 401", ""),
    ],
)
def test_what_is_no_whole_answer_fails_after_the_text_that_came(fake: FakeOpenAI, reason: str, text: str) -> None:
    received = written(fake, limit=5)
    with pytest.raises(NoUpstream, match=reason):
        raise received.chunks[-1].error or AssertionError("it has not failed")
    assert received.text == text


def test_only_what_is_wrong_with_a_request_is_its_own_fault() -> None:
    too_long = written(FakeOpenAI(status=400, body=json.dumps({"error": {"message": "too long"}}))).chunks[-1].error
    assert isinstance(too_long, NoUpstream)
    assert too_long.by_request
    refused = written(FakeOpenAI(status=503)).chunks[-1].error
    assert isinstance(refused, NoUpstream)
    assert not refused.by_request


def test_a_server_of_this_project_that_has_the_same_files_is_trusted() -> None:
    assert written(FakeOpenAI(fingerprint=f"policy-8-{DIGEST[:12]}")).chunks[-1].finish == "stop"
    assert written(FakeOpenAI(fingerprint="fp_44709d6fcb")).chunks[-1].finish == "stop"


def test_a_server_that_says_nothing_more_is_given_up_though_it_keeps_the_connection() -> None:
    received = written(FakeOpenAI(hangs_after=2), patience=0.5)
    with pytest.raises(NoUpstream, match=r"sent nothing for 0\.5 s"):
        raise received.chunks[-1].error or AssertionError("it has not failed")
    assert received.text == "".join(PIECES[:2])


def test_an_answer_that_is_withdrawn_ends_the_connection() -> None:
    received = Received()
    with writing(FakeOpenAI(hangs_after=1)) as fake, upstream(fake.url) as server:
        jobs = server.submit([(request, received) for request in asked(server)])
        until(lambda: bool(received.chunks))
        assert (server.active, fake.open) == (1, 1)
        server.withdraw(jobs)
        until(lambda: (server.active, server.waiting, fake.open) == (0, 0, 0))
    assert received.text == PIECES[0]
    assert not received.ended.is_set()


def test_no_more_answers_than_rows_are_written_and_no_more_wait_than_may() -> None:
    received = [Received() for _ in range(4)]
    with writing(FakeOpenAI(hangs_after=1)) as fake, upstream(fake.url, rows=2, waiting=1) as server:
        model = UpstreamModel(server, "policy/1", DIGEST)
        jobs = model.submit(list(zip(asked(server, 3), received, strict=False)))
        until(lambda: (server.active, server.waiting, fake.open) == (2, 1, 2))
        with pytest.raises(QueueFull, match="at most 3 may"):
            model.submit(list(zip(asked(server, 1), received, strict=False)))
        model.withdraw(jobs[::2])  # one that is written, and the one that waits
        until(lambda: (server.active, server.waiting, fake.open) == (1, 0, 1))
        model.submit(list(zip(asked(server, 1), received[3:], strict=True)))
        until(lambda: fake.open == 2)
    for ended in (received[1], received[3]):
        assert isinstance(ended.chunks[-1].error, ModelUnavailable), "the server was closed"


def test_a_server_that_goes_away_and_one_that_forgets_a_version_are_seen() -> None:
    fake, port = FakeOpenAI(), free_port()
    with upstream(f"http://127.0.0.1:{port}/v1") as server:
        model = UpstreamModel(server, "policy/1", DIGEST)
        until(lambda: "does not answer (ConnectError" in (model.problem or ""))
        with pytest.raises(ModelUnavailable, match="cannot be asked now"):
            model.submit(list(zip(asked(server), [Received()], strict=True)))
        with writing(fake, port):
            until(lambda: model.problem is None)
            fake.models = ["other"]
            until(lambda: "has no model 'policy/1', but other" in (model.problem or ""))
            fake.models = ["policy/1"]
            until(lambda: model.problem is None)
        until(lambda: "does not answer" in (model.problem or ""))
