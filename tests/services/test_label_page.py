"""The label page in a browser: by keyboard, on a phone, in the dark, for a screen reader, and without a connection."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from feedback.labels import LabelKind
from serving.app import create_app
from serving.context import Serving
from serving.pages.visitors import SESSION
from serving.settings import ServingSettings
from tasks.state.workspace import Workspace
from tests.services.browser import PHONE, browsing, violations
from tests.services.labelling import press, ready, task, visited
from tests.services.programs import free_port, in_a_browser
from tests.serving.pages.label_tasks import PLAIN, add, bare, fill, said
from tests.serving.served import listening

pytestmark = [pytest.mark.services, in_a_browser, pytest.mark.timeout(300)]

SETTINGS = ServingSettings(label=PLAIN, requests_per_minute=100_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return bare(tmp_path)


def serve(workspace: Workspace, port: int = 0, **label: object) -> AbstractContextManager[str]:
    """The address of a server for the workspace."""
    settings = SETTINGS.model_copy(update={"label": PLAIN.model_copy(update=label)})
    return listening(create_app(Serving.of(workspace, settings)), port)


def test_twenty_pairs_take_twenty_keys(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 20)
    keys = [
        *("1", "2", "3", "4", "5", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "g", "b", "s", "c"),
        *"1122455",
    ]
    with serve(workspace) as address, visited(browser, address) as page:
        began = time.monotonic()
        for number, key in enumerate(keys):
            expect(page.locator(".turn")).to_contain_text(f"Question {number}?")
            press(page, key)
            expect(page.locator("#question")).to_be_focused()
        spent = 1000 * (time.monotonic() - began)
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing to label now")
        expect(page.locator("#live")).to_contain_text("Saved. Nothing to label now")
    events = said(workspace)
    assert len(events) == 20
    outcomes = [event["judgements"][0].get("outcome", "prefer") for event in events]
    assert outcomes[:3] == ["prefer", "prefer", "tie"]
    assert outcomes[7:13] == ["tie_both_good", "tie_both_bad", "tie_both_good", "tie_both_bad", "skip", "cannot_judge"]
    durations = [event["duration_ms"] for event in events]
    assert min(durations) >= 100  # no key counts in the first 150 ms
    assert sum(durations[1:]) <= spent  # the first task was shown before its clock began


def test_a_judgement_is_taken_back_with_a_key_and_given_again(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 3)
    with serve(workspace) as address, visited(browser, address) as page:
        first = task(page)
        press(page, "1")
        press(page, "u")
        assert task(page) == first
        expect(page.locator("#live")).to_contain_text("Taken back. Judge the task again. Which answer is better?")
        press(page, "5")
    outcomes = [event["judgements"][0].get("outcome", "prefer") for event in said(workspace)]
    assert outcomes == ["prefer", "skip", "prefer"]


def test_reason_and_edit_are_written_without_a_mouse(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 2)
    with serve(workspace) as address, visited(browser, address) as page:
        ready(page)
        page.keyboard.press("r")
        page.keyboard.type("1 is a digit, and no judgement")
        page.keyboard.press("Escape")
        page.keyboard.press("e")
        page.keyboard.press("Control+End")
        page.keyboard.type(" And more.")
        page.keyboard.press("Escape")
        expect(page.locator("#edited-left")).to_be_checked()
        press(page, "1")
    comparison, edit = said(workspace)
    assert comparison["judgements"][0]["rationale"] == "1 is a digit, and no judgement"
    assert edit["responses"][1]["messages"][0]["content"].endswith("And more.")


@pytest.mark.parametrize("scripts", [True, False])
def test_enter_on_the_box_of_an_edit_judges_nothing(browser: Browser, workspace: Workspace, scripts: bool) -> None:
    fill(workspace, 2)
    with serve(workspace) as address, visited(browser, address, java_script_enabled=scripts) as page:
        first = task(page)
        page.locator("summary", has_text="Edit this answer").first.click()
        page.locator("#edit-left").fill("Edited.")
        page.keyboard.press("Tab")
        expect(page.locator("#edited-left")).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_timeout(500)
        assert (task(page), said(workspace)) == (first, [])
        expect(page.locator("#edit-left")).to_have_value("Edited.")


def test_criteria_are_answered_with_keys_after_the_overall_question(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 2)
    with serve(workspace, criteria=("tone", "facts")) as address, visited(browser, address) as page:
        ready(page)
        for key in ("2", "5", "c"):
            page.keyboard.press(key)
        expect(page.get_by_role("button", name="Save")).to_be_focused()
        press(page, "Enter")
    [event] = said(workspace)
    overall, tone, facts = event["judgements"]
    assert overall["ranks"] == tone["ranks"][::-1]
    assert facts["outcome"] == "cannot_judge"


def test_arrows_scroll_a_page_that_is_longer_than_the_window(browser: Browser, workspace: Workspace) -> None:
    add(workspace, "Question?", "A word.\n\n" * 60, "Another word.\n\n" * 60)
    with serve(workspace) as address, visited(browser, address) as page:
        ready(page)
        page.keyboard.press("ArrowDown")
        # no wait_for_function: it evaluates text, which the page's content security policy forbids
        deadline = time.monotonic() + 20
        while not page.evaluate("window.scrollY > 0"):
            assert time.monotonic() < deadline
        press(page, "b")
    assert [event["judgements"][0]["outcome"] for event in said(workspace)] == ["tie_both_bad"]


def test_keys_can_be_switched_off(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 1)
    with serve(workspace) as address, visited(browser, address) as page:
        ready(page)
        page.keyboard.press("?")
        page.get_by_label("Use single keys on this page").uncheck()
        page.reload()
        ready(page)
        page.keyboard.press("1")
        page.wait_for_timeout(300)
        assert said(workspace) == []
        page.get_by_role("button", name="A much better").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing to label now")
    assert len(said(workspace)) == 1


def test_a_key_that_is_held_judges_one_task(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 5)
    with serve(workspace) as address, visited(browser, address) as page:
        ready(page)
        for _ in range(10):
            page.keyboard.down("3")
        page.wait_for_timeout(1000)
        page.keyboard.up("3")
    assert len(said(workspace)) == 1


def test_two_people_at_once_judge_one_item(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 1, overlap=2)
    with (
        serve(workspace) as address,
        visited(browser, address, "ana") as ana,
        visited(browser, address, "bo") as bo,
    ):
        assert task(ana) != task(bo)
        press(ana, "1")
        press(bo, "3")
    assert sorted(event["annotator_id"] for event in said(workspace)) == ["local:ana", "local:bo"]


def test_a_reload_in_the_middle_shows_the_same_task(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 3)
    with serve(workspace) as address, visited(browser, address) as page:
        press(page, "2")
        before = task(page)
        page.reload()
        assert task(page) == before
        press(page, "4")
    assert len(said(workspace)) == 2


def test_a_judgement_is_sent_again_until_it_arrives(browser: Browser, workspace: Workspace) -> None:
    """The first attempt does not arrive, the answer to the second is lost, the server cannot answer the third."""
    fill(workspace, 2)
    attempts = 0

    def lose(route: Route) -> None:
        nonlocal attempts
        attempts += route.request.method == "POST"
        if route.request.method != "POST" or attempts > 3:
            route.continue_()
        elif attempts == 3:
            route.fulfill(status=503, body="")
        else:
            if attempts == 2:
                route.fetch(max_redirects=0)
            route.abort()

    with serve(workspace) as address, visited(browser, address) as page:
        page.route("**/label", lose)
        ready(page)
        page.keyboard.press("1")
        expect(page.get_by_role("alert")).to_contain_text("Your judgement is kept in this tab and sent again")
        assert violations(page) == []
        page.keyboard.press("5")  # not while something is being sent
        expect(page.locator(".turn")).to_contain_text("Question 1?")
        expect(page.get_by_role("alert")).to_be_empty()
        expect(page.locator("#notice")).to_have_text("This was saved before. It is stored once.")
    [event] = said(workspace)
    assert (attempts, event["judgements"][0]["strength"]) == (4, 3)


def test_a_server_that_was_restarted_gets_what_was_judged_meanwhile(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 2)
    port, before = free_port(), ExitStack()
    address = before.enter_context(serve(workspace, port))
    with before, visited(browser, address) as page:
        before.close()
        ready(page)
        page.keyboard.press("2")
        expect(page.get_by_role("alert")).to_contain_text("No connection to the server")
        assert said(workspace) == []
        with serve(workspace, port):
            expect(page.locator(".turn")).to_contain_text("Question 1?", timeout=30_000)
    assert len(said(workspace)) == 1


def test_a_reload_while_the_connection_is_lost_loses_nothing(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 2)
    with serve(workspace) as address, visited(browser, address) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.route("**/label", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
        ready(page)
        page.keyboard.press("1")
        expect(page.get_by_role("alert")).to_contain_text("No connection to the server")
        page.unroute("**/label")
        page.route("**/label", lambda route: route.continue_())
        page.reload()
        expect(page.locator(".turn")).to_contain_text("Question 1?")
    assert len(said(workspace)) == 1


def test_a_person_who_was_logged_out_logs_in_and_loses_nothing(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 2)
    with serve(workspace) as address, visited(browser, address) as page:
        page.context.clear_cookies(name=SESSION)
        ready(page)
        page.keyboard.press("1")
        expect(page.get_by_role("alert")).to_contain_text("You are logged out. What you judged is kept in this tab")
        page.get_by_role("link", name="log in").click()
        page.get_by_label("Your name").fill("ana")
        page.get_by_role("button", name="Log in").click()
        expect(page.locator(".turn")).to_contain_text("Question 1?")
    [event] = said(workspace)
    assert event["annotator_id"] == "local:ana"


def test_who_was_logged_out_and_judged_nothing_is_not_told_that_something_is_kept(
    browser: Browser, workspace: Workspace
) -> None:
    fill(workspace, 2)
    with serve(workspace) as address, visited(browser, address) as page:
        press(page, "1")
        page.context.clear_cookies(name=SESSION)
        ready(page)
        page.keyboard.press("u")
        expect(page.get_by_role("alert")).to_have_text("You are logged out: log in")


def test_too_many_requests_are_not_called_a_lost_connection(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 2)

    def limit(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(status=429, body="")
        else:
            route.continue_()

    with serve(workspace) as address, visited(browser, address) as page:
        page.route("**/label", limit)
        ready(page)
        page.keyboard.press("1")
        expect(page.get_by_role("alert")).to_contain_text("Too many requests came from you. Your judgement is kept")
        page.unroute("**/label")
        expect(page.locator(".turn")).to_contain_text("Question 1?", timeout=30_000)
    assert len(said(workspace)) == 1


def test_what_one_person_judged_is_not_sent_as_anothers(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 2)
    with serve(workspace) as address, visited(browser, address) as page:
        page.context.clear_cookies(name=SESSION)
        ready(page)
        page.keyboard.press("1")
        page.get_by_role("link", name="log in").click()
        page.get_by_label("Your name").fill("bo")
        page.get_by_role("button", name="Log in").click()
        expect(page.locator(".turn")).to_be_visible()
        page.wait_for_timeout(500)
    assert said(workspace) == []


def test_an_undo_that_may_have_arrived_is_not_repeated(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 3)
    undone = 0

    def lose(route: Route) -> None:
        nonlocal undone
        undone += 1
        route.fetch(max_redirects=0)
        route.abort()

    with serve(workspace) as address, visited(browser, address) as page:
        press(page, "1")
        second = task(page)
        press(page, "1")
        page.route("**/label/undo", lose)
        ready(page)
        page.keyboard.press("u")
        expect(page.locator(f"#task[data-task='{second}']")).to_have_count(1)
    assert undone == 1


def test_the_forms_work_without_scripts(browser: Browser, workspace: Workspace) -> None:
    fill(workspace, 2)
    with serve(workspace) as address, visited(browser, address, java_script_enabled=False) as page:
        page.get_by_role("button", name="A better").click()
        expect(page.locator(".turn")).to_contain_text("Question 1?")
        expect(page.locator("#notice")).to_have_text("Saved.")
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".turn")).to_contain_text("Question 0?")
    assert len(said(workspace)) == 2


def test_on_a_phone_answers_are_below_each_other_and_nothing_sticks_out(browser: Browser, workspace: Workspace) -> None:
    add(
        workspace,
        "Q " + "x" * 400,
        "`" + "y" * 400 + "`\n\n|" + "a|" * 12 + "\n|" + "-|" * 12,
        "```\n" + "z" * 400 + "\n```",
    )
    with serve(workspace) as address, visited(browser, address, viewport=PHONE, has_touch=True) as page:
        first, second = (page.locator(".answer").nth(place).bounding_box() for place in (0, 1))
        assert first is not None
        assert second is not None
        assert second["y"] >= first["y"] + first["height"]
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert violations(page) == []
        for name in ("A much better", "Tie", "Skip"):
            box = page.get_by_role("button", name=name).bounding_box()
            assert box is not None
            assert box["height"] >= 40
        page.get_by_role("button", name="B better").tap()
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing to label now")


HEBREW = "1. פתח את הקופסה\n2. סגור אותה\n\n> ציטוט\n\n- אחד\n\n- two"
"""Of its lists, the second is loose, and has an item in English."""
WIDE = f"|{'|'.join(f'heading{number}' for number in range(12))}|\n{'|--' * 12}|\n{'|cell' * 12}|\n"


@pytest.mark.parametrize("kind", ["binary", "comparison"])
def test_marks_of_text_from_right_to_left_are_in_its_card(
    browser: Browser, workspace: Workspace, kind: LabelKind
) -> None:
    answers = (HEBREW,) if kind == "binary" else (HEBREW, "OK")
    add(workspace, "?", *answers, kind=kind)
    for size in ({"width": 1280, "height": 800}, PHONE):
        with serve(workspace) as address, visited(browser, address, viewport=size) as page:
            answer = page.locator(".answer", has_text="פתח")
            edge = answer.evaluate("card => card.getBoundingClientRect().right")
            items = answer.locator("li").evaluate_all(
                "all => all.map(li => [getComputedStyle(li).direction, li.getBoundingClientRect().right])"
            )
            assert len(items) == 4
            for direction, right in items:
                assert (direction, edge - right > 30) == ("rtl", True), "a mark needs 20 pixels beside the item"
            bar = answer.locator("blockquote").evaluate("quote => getComputedStyle(quote).borderRightWidth")
            assert bar == "4px"


def test_a_wide_table_scrolls_in_its_card_and_its_words_stay_whole(browser: Browser, workspace: Workspace) -> None:
    add(workspace, "?", WIDE, "OK")
    with serve(workspace) as address, visited(browser, address, viewport=PHONE) as page:
        table = page.locator(".answer table")
        assert table.locator("th").first.evaluate("cell => cell.clientHeight") < 45, "one line"
        assert table.evaluate("table => table.clientWidth > table.parentElement.clientWidth")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        page.locator(".answer .table").focus()
        page.keyboard.press("End")
        assert violations(page) == []


LONG = """Parcels leave our warehouse on Monday.

Nobody else knows the carrier, and nobody can speed it up.

## Your refund

1. Write to us within thirty days, with the number of the order.
2. We send the money back to your card.

```
refund --order 12
```
"""
SHORT = """# In short

- You have thirty days, and we need the number of the order.
- Money comes back to the card that paid.
"""
PARTS = (
    ("Write to us within", "You have thirty days"),
    ("We send the money back", "Money comes back"),
    ("Your refund", "In short"),
)
"""Beginnings of blocks of `LONG` and of `SHORT` that are comparable."""


@pytest.mark.parametrize("script", [True, False])
def test_comparable_parts_stand_beside_each_other(browser: Browser, workspace: Workspace, script: bool) -> None:
    add(workspace, "How do I get my money back?", LONG, SHORT)
    with serve(workspace) as address, visited(browser, address, java_script_enabled=script) as page:
        for parts in PARTS:
            boxes = [page.locator(".answer .text").get_by_text(part).bounding_box() for part in parts]
            assert boxes[0] is not None
            assert boxes[1] is not None
            assert boxes[0]["y"] == pytest.approx(boxes[1]["y"], abs=1)
            assert abs(boxes[0]["x"] - boxes[1]["x"]) > 400
        short = page.get_by_role("region").filter(has_text="You have thirty days").last
        assert short.aria_snapshot().partition("\n  - group")[0].splitlines()[2:] == [
            '  - heading "In short" [level=3]',
            "  - list:",
            "    - listitem: You have thirty days, and we need the number of the order.",
            "    - listitem: Money comes back to the card that paid.",
        ]


def test_a_long_paragraph_makes_no_gap_in_the_other_answer(browser: Browser, workspace: Workspace) -> None:
    add(workspace, "Which?", "word " * 600, "1. a\n2. b\n3. c")
    with serve(workspace) as address, visited(browser, address) as page:
        tops = page.locator(".answer li").evaluate_all("items => items.map((item) => item.getBoundingClientRect().top)")
        assert len(tops) == 3
        assert tops[1] - tops[0] == pytest.approx(tops[2] - tops[1], abs=1)
        assert tops[1] - tops[0] < 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_state_of_the_page(browser: Browser, workspace: Workspace, scheme: str) -> None:
    workspace.guidelines.write_text("# Be fair\n\n- Read both answers.\n\n> Length is no quality.\n")
    text = (
        "# Title\n\nSome `code`, a [link](https://example.org).\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n```\nx = 1\n```\n"
    )
    add(workspace, "Wie geht das?", text, f"שלום עולם\n\n- one\n- two\n\n{text}", queue="a")
    with serve(workspace) as address, visited(browser, address, color_scheme=scheme) as page:
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(20, 23, 27)") is (scheme == "dark")
        assert violations(page) == []
        ready(page)
        for key in ("?", "r", "Escape", "e"):
            page.keyboard.press(key)
        assert violations(page) == []
        page.keyboard.press("Escape")
        press(page, "1")
        assert violations(page) == []  # nothing to label
        ready(page)
        page.keyboard.press("u")
        expect(page.locator(".answers")).to_be_visible()
        assert violations(page) == []
        page.goto("/label/nowhere")
        assert violations(page) == []
        page.context.clear_cookies()
        page.goto("/login")
        assert violations(page) == []


@pytest.mark.parametrize("kind", ["binary", "rating", "critique", "correction", "demonstration"])
def test_axe_finds_nothing_on_tasks_of_one_answer(browser: Browser, workspace: Workspace, kind: LabelKind) -> None:
    fill(workspace, 2, kind)
    criteria = ("tone",) if kind in ("binary", "rating") else ()
    with serve(workspace, criteria=criteria) as address, visited(browser, address) as page:
        assert violations(page) == []
        ready(page)
        if criteria:
            for key in ("1", "2", "Enter"):
                page.keyboard.press(key)
        else:
            page.keyboard.press("e")
            page.keyboard.press("Control+End")
            page.keyboard.type("12 words.")
            page.keyboard.press("Control+Enter")
        expect(page.locator(".turn")).to_contain_text("Question 1?")
    assert [event["kind"] for event in said(workspace)] == [kind]
