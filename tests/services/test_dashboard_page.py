"""The dashboard in a browser: with real rounds, on a phone, in the dark, by keyboard, and while a round goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from serving.app import create_app
from serving.context import Serving
from serving.pages.dashboard import deployment_runs
from serving.settings import ServingSettings
from tasks.people import waiting
from tasks.people.waiting import Candidate, Wait
from tasks.registry import audit
from tasks.state import records
from tasks.state.cost import RoundCost
from tasks.state.lock import holding
from tasks.state.usage import StepUsage
from tasks.state.workspace import Workspace
from tests.services.browser import PHONE, browsing, logged_in, violations
from tests.services.programs import in_a_browser
from tests.serving.pages.test_dashboard import Runs
from tests.serving.served import listening
from tests.tasks.rounds.open_round import began, opened
from tests.workspaces import moved

pytestmark = [pytest.mark.services, in_a_browser, pytest.mark.timeout(300)]

SETTINGS = ServingSettings(requests_per_minute=100_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture
def rounds(followed: Workspace, tmp_path: Path) -> Workspace:
    """Rounds 0, 1 and 2, which have run."""
    return moved(followed, tmp_path / "workspace")


@contextmanager
def visited(browser: Browser, workspace: Workspace, runs: Runs, **options: object) -> Iterator[Page]:
    """The dashboard for an operator, in a browser that complains of nothing."""
    app = create_app(Serving.of(workspace, SETTINGS))
    app.dependency_overrides[deployment_runs] = lambda: runs
    with listening(app) as address:
        with logged_in(browser, address, "/dashboard", "ana", **options) as (page, complaints):
            yield page
        assert complaints == []


LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": PHONE},
    "without scripts": {"java_script_enabled": False},
}


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_rounds_that_have_run_are_shown_without_barriers(browser: Browser, rounds: Workspace, look: str) -> None:
    with visited(browser, rounds, Runs(), **LOOKS[look]) as page:
        table = page.locator("#rounds").get_by_role("row")
        expect(table).to_have_count(4)  # a heading and three rounds
        expect(page.get_by_role("img", name="Win rate by round")).to_be_visible()
        assert violations(page) == []
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0
        table.nth(1).get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Round 2")
        assert violations(page) == []


def test_a_round_is_asked_for_with_a_button(browser: Browser, rounds: Workspace) -> None:
    runs = Runs()
    with visited(browser, rounds, runs) as page:
        page.get_by_role("button", name="Run a round").click()
        expect(page.get_by_text("The round was asked for.")).to_be_visible()
    assert [(name, given) for name, given, _ in runs.asked] == [("round-on-feedback", {"when_pending": False})]


def test_a_rollback_is_made_by_keyboard_after_a_reason_and_a_tick(browser: Browser, rounds: Workspace) -> None:
    runs = Runs()
    with visited(browser, rounds, runs) as page:
        page.get_by_label("Version that becomes champion again").focus()
        for keys in ("1", "Tab", *"rude", "Tab"):
            page.keyboard.press(keys)
        page.keyboard.press("Tab")  # past the tick: the browser asks for it
        page.keyboard.press("Enter")
        assert runs.asked == []
        page.get_by_label("Users will get another version's answers").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_text("The rollback was asked for.")).to_be_visible()
    assert runs.asked[0][:2] == ("rollback", {"reason": "rude", "to": "1", "who": "ana"})


def test_the_page_follows_a_round_and_keeps_focus_and_text(browser: Browser, rounds: Workspace) -> None:
    with visited(browser, rounds, Runs()) as page:
        reason = page.get_by_label("Reason, for the audit log")
        reason.fill("half a sen")
        opened(rounds, 3)
        with holding(rounds.lock, "round 3"):
            began(rounds, "collect", 1.0).add({"collect/answers": 12.0}, 0, 3)
            expect(page.locator("#now")).to_contain_text("Round 3 runs: step collect, 1 of 3.")
            expect(page.locator("#live")).to_have_text("Round 3 runs: step collect, 1 of 3.")
            expect(reason).to_be_focused()
            expect(reason).to_have_value("half a sen")
            assert violations(page) == []


def waits_for_approval(workspace: Workspace, number: int) -> Wait:
    """The round was opened and waits for a person who approves its candidate."""
    opened(workspace, number)
    return waiting.begin(workspace, "approval", 3600, Candidate(key="ab", candidate="c" * 64))


def test_the_form_to_approve_comes_and_goes_and_keeps_what_was_typed(browser: Browser, rounds: Workspace) -> None:
    """Approval is asked for, then decided elsewhere while a reason is half typed; then another round asks."""
    with visited(browser, rounds, Runs()) as page:
        form, approve = page.locator("#approve"), page.get_by_role("button", name="Approve")
        expect(form).to_be_hidden()
        wait = waits_for_approval(rounds, 3)
        expect(form).to_contain_text("Approve round 3", timeout=20_000)
        reason = page.get_by_label("Reason for the decision")
        reason.fill("half a sen")
        page.get_by_role("heading", name="Dashboard").click()  # the form has no focus now
        key = form.locator("[name=key]").input_value()
        at = page.locator("#at").inner_text()
        expect(page.locator("#at")).not_to_have_text(at, timeout=20_000)
        expect(reason).to_have_value("half a sen")
        assert form.locator("[name=key]").input_value() == key, "the form is sent once"
        expect(approve).to_be_enabled()
        assert violations(page) == []
        waiting.end(rounds, wait)
        expect(form).to_contain_text("Round 3 waits for approval no longer.", timeout=20_000)
        expect(approve).to_be_disabled()
        expect(reason).to_have_value("half a sen")
        assert violations(page) == []
        reason.fill("")
        page.get_by_role("heading", name="Dashboard").click()
        expect(form).to_be_hidden(timeout=20_000)
        waits_for_approval(rounds, 4)
        expect(form).to_contain_text("Approve round 4", timeout=20_000)


def test_a_rollback_that_was_being_typed_cannot_be_sent_after_the_champion_has_changed(
    browser: Browser, rounds: Workspace
) -> None:
    with visited(browser, rounds, Runs()) as page:
        form, button = page.locator("#rollback"), page.get_by_role("button", name="Roll back")
        page.get_by_label("Reason, for the audit log").fill("rude")
        audit.append(rounds.audit, "promote", "rounds", model="policy", left="2", now="9", reason="won")
        expect(button).to_be_disabled(timeout=20_000)
        expect(form).to_contain_text("is champion no longer")
        expect(page.get_by_label("Reason, for the audit log")).to_have_value("rude")
        page.reload()
        expect(form).to_contain_text("Empty: the one before version 9.")
        expect(button).to_be_enabled()


def test_after_the_login_has_ended_the_page_says_that_it_is_not_up_to_date(browser: Browser, rounds: Workspace) -> None:
    with visited(browser, rounds, Runs()) as page:
        note = page.locator("#stale")
        expect(note).to_be_hidden()
        page.context.clear_cookies()
        expect(note).to_contain_text("Not up to date: your login has ended. Log in", timeout=20_000)
        assert violations(page) == []
        note.get_by_role("link", name="Log in").click()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_enter_on_the_tick_of_the_form_to_approve_sends_nothing(browser: Browser, rounds: Workspace) -> None:
    runs = Runs()
    waits_for_approval(rounds, 3)
    with visited(browser, rounds, runs) as page:
        page.get_by_label("Reason for the decision").fill("read them")
        page.get_by_label("I have looked at the candidate").check()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Refuse").click()
        expect(page.get_by_text("The decision was sent.")).to_be_visible()
    assert [given["refuse"] for _, given, _ in runs.asked] == [True]


def test_the_candidate_is_shown_without_barriers(browser: Browser, rounds: Workspace) -> None:
    waits_for_approval(rounds, 3)
    with visited(browser, rounds, Runs(), viewport=PHONE) as page:
        page.get_by_role("link", name="Look at the candidate").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("waits for approval")
        expect(page.get_by_role("heading", name="Answers")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        assert violations(page) == []
        page.get_by_role("link", name="Decide on the dashboard").click()
        expect(page.get_by_role("button", name="Approve")).to_be_visible()


def test_the_table_of_rounds_fits_a_small_laptop(browser: Browser, rounds: Workspace) -> None:
    """Eleven columns with long values, 1,100 pixels wide."""
    used = StepUsage(wall=86_000.0, sampled=123_456_789, trained=999_999)
    cost = RoundCost(steps={"policy": used}, hour=52.0, currency="USD")
    last = records.read(rounds, 2)
    win = {"evaluate/win_rate": 0.612, "evaluate/win_rate_low": 0.553, "evaluate/win_rate_high": 0.668}
    changes = {"new_feedback": 123_456, "metrics": {**last.metrics, **win, "evaluate/votes": 12_345}, "cost": cost}
    records.write(rounds, last.model_copy(update=changes))
    with visited(browser, rounds, Runs(), viewport={"width": 1100, "height": 800}) as page:
        table = page.locator("#rounds .scrolls")
        expect(table).to_contain_text("1,242.22 USD")
        assert table.evaluate("box => box.scrollWidth - box.clientWidth") == 0


def test_without_scripts_the_page_is_that_of_the_moment(browser: Browser, rounds: Workspace) -> None:
    runs = Runs()
    with visited(browser, rounds, runs, **LOOKS["without scripts"]) as page:
        expect(page.locator("#now")).to_contain_text("No round is open.")
        page.get_by_role("link", name="Refresh").click()
        page.get_by_role("button", name="Run a round").click()
        expect(page.get_by_text("The round was asked for.")).to_be_visible()
    assert len(runs.asked) == 1
