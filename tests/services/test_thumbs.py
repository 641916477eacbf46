"""thumbs.js in Chromium, against the app over a socket: what a click stores, and what a person is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.sync_api import Locator, Page, expect, sync_playwright
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from feedback.schema import FeedbackEvent
from feedback.store import arrivals
from serving.app import create_app
from serving.context import Serving
from tests.services.programs import chromium, in_a_browser
from tests.serving import served
from tests.serving.served import PROMPT, listening, ready
from tests.workspaces import Furnish

pytestmark = [pytest.mark.services, pytest.mark.timeout(400), in_a_browser]

PAGE = """<!doctype html><title>Answers</title><body>
<script src="/thumbs.js" data-user="ana" defer></script>
<p>It is on its way. <span data-response-id="{identity}"></span></p>"""


@pytest.fixture
def serving(furnish: Furnish, tmp_path: Path) -> Serving:
    workspace = furnish(tmp_path / "workspace")
    served.make(workspace)
    return Serving.of(workspace, served.SETTINGS)


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


class Flaky:
    """An app before which a proxy answers: 503 in place of the first answers to feedback."""

    def __init__(self, app: ASGIApp, lost: int, away: int = 0) -> None:
        """Of so many requests the app stores the feedback and its answer is lost; then so many do not reach it."""
        self.app, self.lost, self.away = app, lost, away
        self.statuses: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/feedback":
            await self.app(scope, receive, send)
            return
        number = len(self.statuses)
        self.statuses.append(503 if number < self.lost + self.away else 200)
        if number < self.lost:
            await self.app(scope, receive, _dropping)
        if number < self.lost + self.away:
            headers = [(b"retry-after", b"1")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, send)


async def _dropping(_: Message) -> None:
    """An answer that is lost."""


def page_app(serving: Serving) -> FastAPI:
    """The app, and on the same origin a page with one answer."""
    app = create_app(serving)
    policy = {"content-security-policy": "script-src 'self'; connect-src 'self'"}

    def answer(identity: str) -> HTMLResponse:
        return HTMLResponse(PAGE.format(identity=identity), headers=policy)

    app.add_api_route("/answers/{identity}", answer, response_class=HTMLResponse)
    return app


@contextmanager
def opened(page: Page, serving: Serving, app: ASGIApp) -> Iterator[Locator]:
    """The thumbs under an answer, in the browser."""
    with listening(app) as address:
        ready(serving)
        body = {"messages": PROMPT, "max_tokens": 8, "seed": 7}
        identity = httpx.post(f"{address}/v1/chat/completions", json=body).json()["id"]
        page.goto(f"{address}/answers/{identity}")
        yield page.locator("[data-response-id]")


def stored(serving: Serving) -> list[FeedbackEvent]:
    return arrivals.waiting_events(serving.storage.database(), [])


def test_a_click_is_feedback(page: Page, serving: Serving) -> None:
    with opened(page, serving, page_app(serving)) as thumbs:
        drawn = thumbs.locator("button svg path")
        expect(drawn).to_have_count(2)
        boxes = [path.bounding_box() for path in drawn.all()]
        assert [box is not None and box["width"] > 10 for box in boxes] == [True, True]
        thumbs.get_by_role("button", name="Good answer").click()
        expect(thumbs.get_by_role("status")).to_have_text("Thank you.")
        expect(thumbs.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
        [event] = stored(serving)
    assert (event.kind, event.annotator_id, event.judgements[0].scores) == ("binary", "local:ana", (1.0,))
    assert event.responses[0].model_version == "1"


def test_a_thumb_is_sent_again_and_stored_once(page: Page, serving: Serving) -> None:
    app = Flaky(page_app(serving), lost=1, away=2)
    with opened(page, serving, app) as thumbs:
        thumbs.get_by_role("button", name="Bad answer").click()
        expect(thumbs.get_by_role("status")).to_have_text("Not stored yet, trying again…")
        expect(thumbs.get_by_role("status")).to_have_text("Thank you.", timeout=30_000)
        [event] = stored(serving)
    assert app.statuses == [503, 503, 503, 200]
    assert event.judgements[0].scores == (0.0,)


def test_a_person_is_told_when_it_is_given_up_and_a_new_click_is_the_same_thumb(page: Page, serving: Serving) -> None:
    app = Flaky(page_app(serving), lost=10**6)
    page.clock.install()
    with opened(page, serving, app) as thumbs:
        button, status = thumbs.get_by_role("button", name="Good answer"), thumbs.get_by_role("status")
        button.click()
        expect(status).to_have_text("Not stored yet, trying again…")
        for _ in range(100):
            page.clock.run_for(1000)
            if status.text_content() != "Not stored yet, trying again…":
                break
        expect(status).to_have_text("Not stored: the server does not answer. Please try again later.")
        assert len(app.statuses) >= 5
        app.lost = 0
        button.click()
        expect(status).to_have_text("Thank you.")
        assert len(stored(serving)) == 1


def test_the_other_thumb_replaces_the_first_and_the_same_one_is_stored_once(page: Page, serving: Serving) -> None:
    with opened(page, serving, page_app(serving)) as thumbs:
        status = thumbs.get_by_role("status")
        for name in ("Good answer", "Good answer", "Bad answer", "Bad answer", "Good answer"):
            status.evaluate("status => { status.textContent = '' }")
            thumbs.get_by_role("button", name=name).click()
            expect(status).to_have_text("Thank you.")
            expect(thumbs.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")
        first, second, third = stored(serving)
    assert [event.judgements[0].scores for event in (first, second, third)] == [(1.0,), (0.0,), (1.0,)]
    assert (first.supersedes, second.supersedes, third.supersedes) == (None, first.feedback_id, second.feedback_id)


def test_a_person_is_told_what_is_refused(page: Page, serving: Serving) -> None:
    with opened(page, serving, page_app(serving)) as thumbs:
        thumbs.evaluate("place => { place.dataset.responseId = 'nobody' }")
        thumbs.get_by_role("button", name="Good answer").click()
        expect(thumbs.get_by_role("status")).to_have_text("Not stored: the server refused it.")
        assert stored(serving) == []
