"""The client for Python programs, against a server over a socket."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from feedback.store import arrivals
from serving.app import create_app
from serving.client import NotAcknowledged, RoundsClient, next_wait
from serving.context import Serving
from tests.serving.served import listening, ready


@pytest.fixture
def rounds(serving: Serving) -> Iterator[RoundsClient]:
    with listening(create_app(serving)) as address:
        ready(serving)
        with RoundsClient(address) as client:
            yield client


def test_an_answer_is_asked_and_judged(serving: Serving, rounds: RoundsClient) -> None:
    answer = rounds.ask("where is my parcel", seed=7, max_tokens=8)
    assert answer.version == "policy/1"
    results = rounds.give({"response_id": answer.id, "thumb": "up"}, {"thumb": "up"}, user="ana")
    assert [result["result"] for result in results] == ["stored", "refused"]
    [event] = arrivals.waiting_events(serving.storage.database(), [])
    assert (event.annotator_id, event.responses[0].text) == ("local:ana", answer.text)


def test_feedback_of_which_nothing_can_be_used_has_its_reasons(rounds: RoundsClient) -> None:
    [result] = rounds.give({"response_id": "nobody", "thumb": "up"})
    assert "there is no answer 'nobody'" in result["reason"]


def test_a_request_that_is_refused_is_an_error(rounds: RoundsClient) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        rounds.ask("where is my parcel", model="9")


class Flaky(httpx.BaseTransport):
    """A server that is away at first, and whose first acknowledgement is lost."""

    def __init__(self, to: httpx.BaseTransport) -> None:
        self.to, self.tries = to, 0

    def close(self) -> None:
        self.to.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.tries += 1
        if self.tries == 1:
            raise httpx.ConnectError("away")
        response = self.to.handle_request(request)
        if self.tries == 2:
            raise httpx.ReadError("lost")
        return response


def test_feedback_is_sent_again_and_stored_once(serving: Serving, rounds: RoundsClient) -> None:
    answer = rounds.ask("where is my parcel", seed=7, max_tokens=8)
    flaky = Flaky(rounds._http._transport)
    rounds._http._transport = flaky
    [result] = rounds.give({"response_id": answer.id, "thumb": "down"})
    assert (result["result"], flaky.tries) == ("stored", 3)
    assert len(arrivals.waiting_events(serving.storage.database(), [])) == 1


class Away(httpx.BaseTransport):
    """A server that is not ready."""

    def __init__(self, **headers: str) -> None:
        self.keys: list[str] = []
        self.headers = headers

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers["idempotency-key"])
        return httpx.Response(503, headers=self.headers)


def test_who_gives_feedback_is_told_when_it_is_not_acknowledged() -> None:
    with RoundsClient("http://localhost", patience=1.0) as rounds:
        rounds._http._transport = away = Away()
        with pytest.raises(NotAcknowledged, match=r"for 1 s \(status 503\); give it again later with key='mine'"):
            rounds.give({"response_id": "x", "thumb": "up"}, key="mine")
        assert len(away.keys) >= 2
        assert set(away.keys) == {"mine"}
        rounds._http._transport = away = Away(**{"retry-after": "2"})
        with pytest.raises(NotAcknowledged):
            rounds.give({"response_id": "x", "thumb": "up"})
        assert len(away.keys) == 1


def test_waits_double_up_to_a_minute_in_all() -> None:
    waits: list[float] = []
    left = 60.0
    while (wait := next_wait(len(waits), left, None, 1.0)) is not None:
        waits.append(wait)
        left -= wait
    assert waits == [0.5, 1, 2, 4, 8, 16, 16]
    assert next_wait(3, 60.0, None, 0.0) == 2


def test_a_server_says_how_long_to_wait() -> None:
    assert next_wait(0, 60.0, "30", 0.5) == 30
    assert next_wait(4, 60.0, "1", 1.0) == 8
    assert next_wait(0, 20.0, "30", 0.5) is None
    assert next_wait(0, 60.0, "soon", 1.0) == 0.5
    wait = next_wait(0, 60.0, format_datetime(datetime.now(UTC) + timedelta(seconds=31), usegmt=True), 0.5)
    assert wait is not None
    assert 20 < wait <= 31
