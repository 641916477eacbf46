"""The label page without JavaScript: forms, and what is stored of them."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from urllib.parse import urlencode

import pytest
from httpx2 import Client, Response
from starlette.testclient import TestClient

from feedback.labels import LabelKind
from serving.app import create_app
from serving.context import Serving
from serving.guard import FORM
from serving.settings import ServingSettings
from tasks.people import polls, waiting
from tasks.people.label_settings import TermsSettings
from tasks.people.waiting import VotesNeeded
from tasks.state import tombstones
from tasks.state.workspace import Workspace
from tests.hostile import WORD, WORST, Elements
from tests.serving.pages.browsing import Forms, default_button, heading, log_in, submit
from tests.serving.pages.label_tasks import PLAIN, add, fill, said
from tests.serving.served import listening
from tests.tasks.people.waiting_round import opened


@pytest.fixture
def serving(workspace: Workspace) -> Serving:
    """Without gold items and repeats."""
    return Serving.of(workspace, ServingSettings(label=PLAIN))


def with_criteria(workspace: Workspace, *criteria: str) -> Serving:
    return Serving.of(workspace, ServingSettings(label=PLAIN.model_copy(update={"criteria": criteria})))


@pytest.fixture
def ana(client: TestClient) -> TestClient:
    """Ana has logged in."""
    log_in(client, name="ana")
    return client


def judge(client: TestClient, **fields: str) -> Response:
    """Send the form of the task."""
    return submit(client, client.get("/label"), "/label", **fields)


def shown(page: Response) -> list[str]:
    """The beginnings of the answers, from left to right."""
    return re.findall(r"A (short|long) answer \d", page.text.partition("<textarea")[0]) + re.findall(
        r"A (short|long) answer \d", page.text.partition("answer-1")[2].partition("<textarea")[0]
    )


def best(event: dict[str, Any]) -> str:
    """The preferred answer of a comparison."""
    place = event["judgements"][0]["ranks"].index(1)
    return str(event["responses"][place]["messages"][0]["content"].split()[1])


def test_a_pair_is_judged_by_one_button(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 2)
    page = ana.get("/label")
    assert (heading(page), "Question 0?" in page.text) == ("Which answer is better?", True)
    left, _ = shown(page)
    following = submit(ana, page, "/label", said="left:3", reason="Says more.")
    assert (following.status_code, "Question 1?" in following.text, "Saved." in following.text) == (200, True, True)
    [event] = said(workspace)
    assert (event["annotator_id"], best(event)) == ("local:ana", left)
    assert event["judgements"][0]["strength"] == 3
    assert event["judgements"][0]["rationale"] == "Says more."


def test_sides_are_drawn_and_stored(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 16)
    lefts = []
    for _ in range(16):
        page = ana.get("/label")
        lefts.append(shown(page)[0])
        submit(ana, page, "/label", said="left:2")
    events = said(workspace)
    assert [best(event) for event in events] == lefts
    assert set(lefts) == {"short", "long"}
    assert {tuple(event["shown_order"]) for event in events} == {(0, 1), (1, 0)}


def test_nothing_on_the_page_tells_who_wrote_an_answer(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 1)
    text = ana.get("/label").text
    assert not re.search(r"version|policy|champion|candidate|gold|response_id", text)


def test_both_answers_are_whole_and_aligned_by_their_blocks(workspace: Workspace, ana: TestClient) -> None:
    add(workspace, "Why?", "It rains.\n\n- Take a coat.", "Nobody knows.\n\nTake a coat.\n\nBye.")
    text = ana.get("/label").text
    assert '<link rel="stylesheet" href="/assets/rows.css">' in text
    answers = re.findall(r'id="answer-\d">(Answer .)</h2>\n<div class="text" dir="auto">(.*?)</div>', text, re.DOTALL)
    assert [name for name, _ in answers] == ["Answer A", "Answer B"]
    assert sorted((html for _, html in answers), key=len) == [
        '<p dir="auto" class="from-1 to-2">It rains.</p>\n'
        '<ul dir="ltr">\n<li class="from-2 to-5">Take a coat.</li>\n</ul>\n',
        '<p dir="auto" class="from-1 to-2">Nobody knows.</p>\n'
        '<p dir="auto" class="from-2 to-3">Take a coat.</p>\n<p dir="auto" class="from-3 to-4">Bye.</p>\n',
    ]


def test_a_reload_shows_the_same_task(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 3)
    pages = [Forms(ana.get("/label").text).found["/label"]["task"] for _ in range(2)]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("choice", "outcome", "notice"),
    [
        ("tie", "tie", "Saved."),
        ("both_good", "tie_both_good", "Saved."),
        ("both_bad", "tie_both_bad", "Saved."),
        ("skip", "skip", "Skipped: somebody else is asked."),
        ("cannot_judge", "cannot_judge", "Saved: it cannot be judged."),
    ],
)
def test_what_is_no_preference(workspace: Workspace, ana: TestClient, choice: str, outcome: str, notice: str) -> None:
    fill(workspace, 1)
    page = judge(ana, said=choice)
    assert (heading(page), notice in page.text) == ("Nothing to label now", True)
    assert [event["judgements"][0]["outcome"] for event in said(workspace)] == [outcome]


def test_a_judgement_that_is_sent_again_is_stored_once(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 2)
    first = ana.get("/label")
    submit(ana, first, "/label", said="tie")
    again = submit(ana, first, "/label", said="tie")
    assert "This was saved before. It is stored once." in again.text
    otherwise = submit(ana, first, "/label", said="left:3")
    assert (otherwise.status_code, "before, and otherwise" in otherwise.text) == (409, True)
    assert len(said(workspace)) == 1


def test_of_two_windows_that_judge_a_task_otherwise_at_once_one_is_refused(
    workspace: Workspace, ana: TestClient
) -> None:
    fill(workspace, 6)
    for _ in range(6):
        page, together = ana.get("/label"), Barrier(2)

        def judge(said: str, page: Response = page, together: Barrier = together) -> int:
            together.wait(60)
            return submit(ana, page, "/label", said=said).status_code

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(judge, ("left:3", "right:3"))) == [200, 409]
    assert len(said(workspace)) == 6


def test_undo_shows_the_task_again_and_the_judgement_no_longer_counts(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 2)
    page = judge(ana, said="left:3")
    back = submit(ana, page, "/label/undo")
    assert ("Question 0?" in back.text, "Taken back. Judge the task again." in back.text) == (True, True)
    submit(ana, back, "/label", said="right:3")
    outcomes = [event["judgements"][0].get("outcome", "prefer") for event in said(workspace)]
    assert outcomes == ["prefer", "skip", "prefer"]


def test_there_is_nothing_to_undo_at_first(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 1)
    page = submit(ana, ana.get("/label"), "/label/undo")
    assert (page.status_code, "judged nothing that could be taken back" in page.text) == (409, True)


@pytest.mark.parametrize("kind", ["comparison", "demonstration"])
def test_a_first_task_that_was_skipped_can_be_had_back(workspace: Workspace, ana: TestClient, kind: LabelKind) -> None:
    """Nothing is judged, but the last judgement is a skip."""
    fill(workspace, 2, kind=kind)
    disabled = '<button data-keys="u" aria-keyshortcuts="u" disabled>'
    assert disabled in ana.get("/label").text
    page = judge(ana, said="skip")
    assert ("<strong>0</strong> today" in page.text, disabled in page.text) == (True, False)
    back = submit(ana, page, "/label/undo")
    assert ("Question 0?" in back.text, disabled in back.text) == (True, True)


def test_two_people_judge_one_item_and_see_nothing_of_each_other(
    workspace: Workspace, serving: Serving, ana: TestClient
) -> None:
    fill(workspace, 1, overlap=2)
    bo = TestClient(ana.app)
    log_in(bo, name="bo")
    assert "Question 0?" in ana.get("/label").text
    judge(bo, said="left:3", reason="Because of bo.")
    assert "Because of bo" not in ana.get("/label").text
    judge(ana, said="tie")
    assert sorted(event["annotator_id"] for event in said(workspace)) == ["local:ana", "local:bo"]


def test_a_task_of_another_person_is_refused(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 2)
    task = Forms(ana.get("/label").text).found["/label"]["task"]
    bo = TestClient(ana.app)
    log_in(bo, name="bo")
    page = judge(bo, task=task, said="tie")
    assert (page.status_code, "is another person&#39;s" in page.text) == (409, True)
    assert said(workspace) == []


def test_an_edit_is_a_correction_of_its_answer(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 1)
    page = ana.get("/label")
    _, right = shown(page)
    submit(ana, page, "/label", said="right:2", edited_right="1", edit_right="Better.\r\nStill.", edit_left="x")
    _, edit = said(workspace)
    texts = [response["messages"][0]["content"] for response in edit["responses"]]
    assert (edit["kind"], texts[0].split()[1], texts[1]) == ("correction", right, "Better.\nStill.")


@pytest.mark.parametrize("kind", ["comparison", "binary", "rating"])
def test_enter_in_a_form_without_save_presses_a_button_that_does_nothing(
    workspace: Workspace, ana: TestClient, kind: LabelKind
) -> None:
    fill(workspace, 1, kind)
    button = {"name": "said", "value": "", "formmethod": "dialog", "hidden": ""}
    assert default_button(ana.get("/label"), "judge") == button
    assert judge(ana, said="").status_code == 400, "in a browser that knows no dialogs"


def test_enter_in_a_form_with_save_presses_it(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 1, "critique")
    assert default_button(ana.get("/label"), "judge") == {
        "name": "said",
        "value": "text",
        "class": "main",
        "data-keys": "Enter",
    }


def test_what_was_typed_stays_when_a_form_is_refused(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 1)
    page = judge(ana, reason="My <reason>\u202e", edited_left="1", edit_left="An edit")
    assert (page.status_code, "nothing was chosen" in page.text) == (400, True)
    assert "My &lt;reason&gt;\u202e</textarea>" in page.text
    assert re.search(r'edit-left"[^>]*>\nAn edit</textarea>', page.text)
    assert said(workspace) == []


def test_criteria_are_asked_after_the_overall_question(workspace: Workspace) -> None:
    fill(workspace, 1)
    with TestClient(create_app(with_criteria(workspace, "tone", "follows_the_prompt"))) as ana:
        log_in(ana, name="ana")
        page = ana.get("/label").text
        places = [
            page.index(text) for text in ('value="left:3"', "<strong>tone", "<strong>follows the prompt", "Save<")
        ]
        assert places == sorted(places)
        judge(ana, said="left:2", **{"criterion.tone": "right", "criterion.follows_the_prompt": "cannot_judge"})
    [event] = said(workspace)
    assert [judgement.get("criterion", "overall") for judgement in event["judgements"]] == [
        *("overall", "tone", "follows_the_prompt")
    ]


@pytest.mark.parametrize(
    ("kind", "question", "fields"),
    [
        ("binary", "Is this answer good?", {"said": "up"}),
        ("rating", "How good is this answer?", {"said": "4"}),
        ("critique", "What do you say of this answer?", {"said": "text", "critique": "Too long."}),
        ("correction", "Correct this answer", {"said": "text", "correction": "Short."}),
        ("demonstration", "Write a good answer", {"said": "text", "demonstration": "Like so."}),
    ],
)
def test_single_answers_come_from_the_same_page(
    workspace: Workspace, ana: TestClient, kind: LabelKind, question: str, fields: dict[str, str]
) -> None:
    fill(workspace, 1, kind)
    assert heading(ana.get("/label")) == question
    assert heading(judge(ana, **fields)) == "Nothing to label now"
    assert [event["kind"] for event in said(workspace)] == [kind]


def test_the_votes_of_a_waiting_round_come_first(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 1)
    opened(workspace.root)
    waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2))
    page = ana.get("/label")
    assert "answer 0" not in page.text
    assert "Edit this answer" not in page.text
    assert (submit(ana, page, "/label", said="left:2").status_code, said(workspace)) == (200, [])
    assert polls.count(workspace) == 1


def test_guidelines_are_shown_and_their_version_is_stored(workspace: Workspace, ana: TestClient) -> None:
    workspace.guidelines.write_text("# Be *fair*\n")
    fill(workspace, 1)
    page = ana.get("/label")
    assert "Be <em>fair</em>" in page.text
    [version] = re.findall(r"version ([0-9a-f]{12})", page.text)
    submit(ana, page, "/label", said="tie")
    assert said(workspace)[0]["guideline_version"] == version


def test_a_form_that_breaks_off_is_not_a_judgement(workspace: Workspace) -> None:
    """Over a real socket: the form has two criteria, and the connection ends after the first of them."""
    fill(workspace, 1)
    app = create_app(with_criteria(workspace, "tone", "facts"))
    with listening(app) as address, Client(base_url=address, follow_redirects=True) as ana:
        page = ana.post("/login", data=Forms(ana.get("/login").text).found["/login"] | {"name": "ana"})
        fields = Forms(ana.get("/label").text).found["/label"] | {"said": "left:2", "criterion.tone": "left"}
        form = urlencode(fields | {"criterion.facts": "right", "reason": "Because."}).encode()
        cookies = "; ".join(f"{name}={value}" for name, value in ana.cookies.items())
        head = f"POST /label HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\nContent-Type: {FORM}\r\n"
        with socket.create_connection((page.url.host, page.url.port)) as sending:
            sending.sendall(f"{head}Content-Length: {len(form)}\r\n\r\n".encode() + urlencode(fields).encode())
            sending.shutdown(socket.SHUT_WR)
            assert sending.recv(1000) == b""
        assert said(workspace) == []
        again = ana.post("/label", content=form, headers={"Content-Type": FORM})
    assert (again.status_code, "Saved." in again.text) == (200, True)
    [event] = said(workspace)
    assert len(event["judgements"]) == 3


def test_progress_counts_what_is_done_and_left(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 3)
    page = judge(ana, said="tie")
    assert "<strong>1</strong> today" in page.text
    assert "<strong>2</strong> left for you" in page.text
    assert '<progress max="3" value="1"' in page.text


def test_a_person_who_was_forgotten_is_told(workspace: Workspace, ana: TestClient) -> None:
    fill(workspace, 1)
    tombstones.add(workspace, "local:ana", "boss", "asked", (), ())
    page = ana.get("/label")
    assert (page.status_code, heading(page)) == (409, "Label")


def test_a_hostile_text_changes_nothing_of_the_page(workspace: Workspace, ana: TestClient) -> None:
    def elements(text: str, queue: str) -> Elements:
        add(workspace, text, f"{text} one", f"{text} two", queue=queue)
        found = Elements(ana.get("/label").text)
        judge(ana, said="skip")
        return found

    elements(WORD, "before")  # both pages offer to take something back
    harmless, hostile = elements(WORD, "first"), elements(WORST, "second")
    own = (
        "p(dir)",
        "h3(",
        "blockquote",
        "ul(",
        "ol(",
        "li(dir)",
        "em(",
        "strong(",
        "s(",
        "code(",
        "pre(",
        "hr(",
        "br(",
    )
    more = {name for name, count in hostile.found.items() if count > harmless.found[name]}
    assert [name for name in more if not name.startswith((*own, "span(class)", "a(href,rel", "t"))] == []


@pytest.mark.parametrize("long", ["prompt", "answer", "neither"])
def test_of_a_long_text_the_end_is_shown_too_and_the_page_says_what_is_not(
    workspace: Workspace, ana: TestClient, long: str
) -> None:
    filler = f"Begin {'a ' * 30_000}"
    add(workspace, f"{filler if long == 'prompt' else ''}Why?", f"{filler if long == 'answer' else ''}So.", "b")
    text = ana.get("/label").text
    shown = "".join(re.split(r"<textarea.*?</textarea>", text, flags=re.DOTALL))
    assert ("A text of this task has more than 50,000 characters." in shown) == (long != "neither")
    if long != "neither":
        end = "Why?" if long == "prompt" else "So."
        assert f"⟦{10_006 + len(end):,} characters are not shown here⟧" in shown
        assert "Begin a a" in shown
        assert f"a a {end}" in shown


def test_what_is_judged_has_the_terms_of_the_server(workspace: Workspace) -> None:
    fill(workspace, 1)
    terms = TermsSettings(licence="CC0-1.0", consent="contract")
    with TestClient(create_app(Serving.of(workspace, ServingSettings(label=PLAIN, terms=terms)))) as client:
        log_in(client, name="ana")
        judge(client, said="left:1")
        submit(client, client.get("/label"), "/label/undo")
    judgement, withdrawal = said(workspace)
    assert (judgement["licence"], judgement["consent"]) == ("CC0-1.0", "contract")
    assert (withdrawal["licence"], withdrawal["consent"]) == ("CC0-1.0", "contract")
