"""The client for Python programs, against a server over a socket."""

from collections.abc import Iterator

import httpx
import pytest

from feedback.store import arrivals
from serving.app import create_app
from serving.client import RoundsClient
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
