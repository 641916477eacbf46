"""A reward server that fails, delays, answers out of order, or says nonsense."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.reward_server import TOKEN, NoReward, RewardServer, RewardServerSettings, ScoredText
from tests.models.grading import Grader, grading
from tests.pages import ROOT, blocks
from tests.services.programs import free_port, hanging

QUICK = {"batch": 2, "in_flight": 3, "timeout": 5.0, "attempts": 3, "pause": 0.01}
TEXTS = [ScoredText(({"role": "user", "content": "Hi"},), "x" * number, ended=True) for number in (5, 0, 3, 1, 4, 2, 6)]


@contextmanager
def asking(url: str, **knobs: Any) -> Iterator[RewardServer]:
    with closing(RewardServer(RewardServerSettings(url=url, **(QUICK | knobs)))) as server:
        yield server


def test_scores_come_in_the_order_of_the_texts_though_the_first_request_is_answered_last() -> None:
    late = Grader(delay=lambda answers: 0.3 if answers[0] == "xxxxx" else 0.0)
    with grading(late) as grader, asking(grader.url) as server:
        assert server.scores(TEXTS) == [5, 0, 3, 1, 4, 2, 6]
        assert sorted(len(post["texts"]) for post in grader.posts) == [1, 2, 2, 2]
        assert {"prompt": [{"role": "user", "content": "Hi"}], "answer": "xxxxx", "ended": True} in [
            text for post in grader.posts for text in post["texts"]
        ]


def test_no_more_requests_than_allowed_are_in_flight() -> None:
    with grading(Grader(delay=lambda _: 0.05)) as grader, asking(grader.url) as server:
        assert server.scores(TEXTS * 4) == [5, 0, 3, 1, 4, 2, 6] * 4
        assert grader.at_once == 3


def test_what_fails_is_tried_again() -> None:
    with grading(Grader(failures=[(503, "busy"), (429, "slow down"), (500, "oops")])) as grader:
        with asking(grader.url) as server:
            assert server.scores(TEXTS) == [5, 0, 3, 1, 4, 2, 6]
        assert len(grader.posts) == 4 + 3


def test_a_server_that_keeps_failing_is_named_with_what_it_says() -> None:
    with grading(Grader(failures=[(503, "the judge is asleep")] * 99)) as grader, asking(grader.url) as server:
        with pytest.raises(NoReward, match=r"failed 3 times, the last time with status 503 .*the judge is asleep"):
            server.scores(TEXTS)
        assert len(grader.posts) <= 3 * 4, "none is tried more often"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((400, "unknown rubric"), "status 400 and the text 'unknown rubric'"),
        ((401, "who are you?"), f"status 401 .*put its secret into {TOKEN}"),
        ((200, "[1, 2]"), "answered with status 200 and the text '\\[1, 2\\]', expected a JSON object"),
        ((200, '{"score": 1}'), "no list `scores`, expected 2, one for each text"),
        ((200, '{"scores": [1]}'), "answered with 1 scores, expected 2, one for each text"),
        ((200, '{"scores": [1, NaN]}'), "gave text 1 of 2 the score nan, expected a finite number"),
        ((200, '{"scores": [1, 1e999]}'), "the score inf"),
        ((200, '{"scores": [null, 1]}'), "gave text 0 of 2 the score None"),
        ((200, '{"scores": [true, 1]}'), "the score True"),
        ((200, '{"scores": ["1", 1]}'), "the score '1'"),
    ],
)
def test_what_is_wrong_is_said_at_once_and_not_tried_again(reply: tuple[int, str], reason: str) -> None:
    with grading(Grader(failures=[reply] * 99)) as grader, asking(grader.url) as server:
        with pytest.raises(NoReward, match=reason):
            server.scores(TEXTS[:2])
        assert len(grader.posts) == 1


def test_a_server_that_is_not_there_and_one_that_never_answers_are_given_up() -> None:
    short = {"timeout": 0.2, "attempts": 2}
    began = time.monotonic()
    with asking(f"http://127.0.0.1:{free_port()}/", **short) as server, pytest.raises(NoReward, match="refused"):
        server.scores(TEXTS[:1])
    with (
        hanging() as port,
        asking(f"http://127.0.0.1:{port}/", **short) as server,
        pytest.raises(NoReward, match="ReadTimeout"),
    ):
        server.scores(TEXTS[:1])
    assert time.monotonic() - began < 30


def test_the_server_says_what_it_is_and_gets_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "s3cret-token")
    with grading(Grader(states='{"version": 2, "name": "länge"}')) as grader:
        with asking(grader.url) as server:
            assert server.statement() == '{"name": "länge", "version": 2}'
            server.scores(TEXTS[:1])
        assert grader.tokens == ["Bearer s3cret-token"]
        grader.states = ""
        with asking(grader.url) as server:
            assert server.statement() == "{}"
        for states, reason in (("[]", "expected a JSON object"), ('{"a": "%s"}' % ("x" * 9999), "at most 4,000")):
            grader.states = states
            with asking(grader.url) as server, pytest.raises(NoReward, match=reason):
                server.statement()


def test_a_server_whose_scores_depend_on_the_place_of_a_text_is_refused() -> None:
    odd = Grader(scores=lambda answers: list(range(len(answers))))
    refused = pytest.raises(NoReward, match="in reverse order got other scores")
    with grading(odd) as grader, asking(grader.url, batch=8) as server, refused:
        server.probe()
    with grading(odd) as grader, asking(grader.url, batch=8, deterministic=False) as server:
        server.probe()


def test_the_server_of_the_page_can_be_copied(tmp_path: Path) -> None:
    [program] = blocks(ROOT / "docs/rewards.md", "python")
    (tmp_path / "server.py").write_text(program)
    port = free_port()
    command = [sys.executable, "server.py", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        try:
            with asking(f"http://127.0.0.1:{port}/score", attempts=9, pause=0.1) as server:
                assert server.statement() == '{"name": "tone", "version": 1}'
                server.probe()
                kind, loud = ("Thank you, you are welcome.", True), ("NO!!", False)
                asked = [ScoredText(({"role": "user", "content": "Hi"},), *answer) for answer in (kind, loud)]
                assert server.scores(asked) == [2, -3]
        finally:
            process.kill()
