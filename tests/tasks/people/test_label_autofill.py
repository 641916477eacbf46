"""The labelling queue `main` is filled without a command, and the next round learns from what people say of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from core.files import write_text
from feedback import pairs, store, world
from feedback.preferences import preferences
from feedback.rows import PreferenceRow
from feedback.schema import Message, Prompt, Response
from feedback.sources import AnswerPair
from feedback.split import SplitSettings
from feedback.store import answers
from feedback.store.answers import ServedAnswer
from tasks.people import label_autofill, label_filling
from tasks.people.label_settings import LabelSettings
from tasks.state import feedback_database, identity, records
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.steps.ingest import ingest
from tests.tasks.people.desk import Desk, furnished, side
from tests.tasks.people.waiting_round import opened as waiting_round
from tests.tasks.steps import hand_written
from tests.tasks.steps.hand_written import Logged

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
FIVE = LabelSettings(open_items=5, gold=0, repeats=0)


def collected(workspace: Workspace, prompts: Sequence[Prompt], number: int = 1) -> list[AnswerPair]:
    """Two answers of the champion to each prompt, Yes and No, as the step `collect` of a round writes them."""
    written = [
        AnswerPair(f"round-{number}-{ix:05d}", prompt, (_answer(number, ix, "Yes."), _answer(number, ix, "No.")))
        for ix, prompt in enumerate(prompts)
    ]
    pairs.write(workspace.answers, written)
    return written


def _answer(number: int, prompt: int, text: str) -> Response:
    turn = Message(role="assistant", content=text)
    name = f"round-{number}-{prompt:05d}-{text}"
    return Response(response_id=name, messages=(turn,), origin="model", model="policy", model_version="4")


def questions(count: int) -> list[Prompt]:
    return [(Message(role="user", content=f"Question {number}?"),) for number in range(count)]


def fill(workspace: Workspace, settings: LabelSettings = FIVE) -> tuple[int, int]:
    with feedback_database.opened(workspace) as database:
        return label_autofill.fill(workspace, database, settings)


def asked(workspace: Workspace, count: int, annotator: str = "ana") -> list[str]:
    """The questions of the next tasks of an annotator, who prefers Yes."""
    with feedback_database.opened(workspace) as database:
        desk, shown = Desk(workspace, database, annotator), []
        for _ in range(count):
            task = desk.next()
            desk.judge(task, preferred=side(task, "Yes."))
            shown.append(task.prompt[0].content)
        return shown


def salted(root: Path, salt: str) -> Workspace:
    workspace = Workspace(root / salt)
    workspace.data.mkdir(parents=True)
    workspace.params.write_text("")
    identity.made(workspace, "desk", salt)
    return workspace


def test_five_of_twenty_pairs_are_drawn_and_others_follow_until_each_was_asked_once(tmp_path: Path) -> None:
    workspace = salted(tmp_path, "salt")
    collected(workspace, questions(20))
    assert fill(workspace) == (5, 0)
    assert fill(workspace) == (0, 0), "five items want judgements"
    [state] = label_filling.queues(workspace)
    assert (state.name, state.items, state.wanted) == ("main", 5, 5)
    shown = asked(workspace, 2)
    assert fill(workspace) == (2, 0)
    shown += asked(workspace, 5)
    assert fill(workspace) == (5, 0)
    shown += asked(workspace, 5)
    assert fill(workspace) == (5, 0)
    shown += asked(workspace, 5)
    assert fill(workspace) == (3, 2), "two are missing"
    shown += asked(workspace, 3)
    assert fill(workspace) == (0, 5)
    assert sorted(shown) == sorted(f"Question {number}?" for number in range(20))
    collected(workspace, questions(21), number=2)
    assert fill(workspace) == (1, 4), "one pair is new: an item is known by its prompt and answers"


def test_which_are_drawn_depends_on_the_salt_and_not_on_their_order(tmp_path: Path) -> None:
    drawn = {frozenset(_five(salted(tmp_path, salt), questions(20))) for salt in ("a", "b", "c")}
    assert len(drawn | {frozenset(f"Question {number}?" for number in range(5))}) == 4, "nor are they the first"
    assert frozenset(_five(salted(tmp_path / "backwards", "a"), questions(20)[::-1])) in drawn


def _five(workspace: Workspace, prompts: Sequence[Prompt]) -> list[str]:
    """The questions that are drawn."""
    collected(workspace, prompts)
    fill(workspace)
    return asked(workspace, 5)


def test_what_another_queue_has_is_not_added_again(tmp_path: Path) -> None:
    workspace = salted(tmp_path, "salt")
    collected(workspace, questions(3))
    label_filling.add(workspace, "campaign", label_filling.collected(workspace, "comparison")[:2], 1)
    assert fill(workspace) == (1, 4)


def test_an_item_wants_as_many_judgements_as_the_settings_say_and_is_open_until_it_has_them(tmp_path: Path) -> None:
    workspace = salted(tmp_path, "salt")
    collected(workspace, questions(20))
    twice = FIVE.model_copy(update={"overlap": 2})
    assert fill(workspace, twice) == (5, 0)
    asked(workspace, 5)
    assert fill(workspace, twice) == (0, 0)
    asked(workspace, 5, "bob")
    assert fill(workspace, twice) == (5, 0)


def test_answers_of_an_open_round_wait_until_it_has_finished(tmp_path: Path) -> None:
    workspace = furnished(waiting_round(tmp_path))
    collected(workspace, questions(3), number=3)
    assert fill(workspace) == (0, 5)
    write_text(records.path(workspace, 3), "{}")
    assert fill(workspace) == (3, 2)


def test_served_answers_are_added_with_consent_if_the_settings_say_so(tmp_path: Path) -> None:
    workspace = salted(tmp_path, "salt")
    with feedback_database.opened(workspace) as database:
        answers.put(database, [_served(name, choice) for name in ("opt-in", "contract") for choice in (0, 1)])
    assert fill(workspace) == (0, 5)
    assert fill(workspace, FIVE.model_copy(update={"fill": ()})) == (0, 5)
    assert fill(workspace, FIVE.model_copy(update={"fill": ("collected", "served")})) == (1, 4)
    assert asked(workspace, 1) == ["opt-in?"]


def _served(consent: str, choice: int) -> ServedAnswer:
    """One of two answers, Yes and No, to somebody with a consent."""
    return ServedAnswer(
        response_id=f"{consent}-{choice}",
        completion=consent,
        choice=choice,
        annotator="shop:bo",
        version="3",
        prompt=(Message(role="user", content=f"{consent}?"),),
        text=("Yes.", "No.")[choice],
        finish="stop",
        prompt_tokens=1,
        tokens=1,
        asked_at=NOW,
        answered_at=NOW,
        consent=consent,
    )


SPLIT, SALT = SplitSettings(), "salt"


def rows_after(round: Round) -> dict[str, PreferenceRow]:
    """By question, the pairs that are derived once a round has taken in what waits."""
    claim = feedback_database.claim(round.workspace, round.number)
    ingest(replace(round, claim=claim), Logged())
    derived = preferences(store.events(round.workspace.feedback), SPLIT, SALT).rows
    return {row.prompt[0]["content"]: row for row in derived if row.criterion == "overall"}


def test_what_a_person_says_of_three_pairs_is_feedback_beside_that_of_the_simulated_annotator(tmp_path: Path) -> None:
    """Round 1 collects 40 pairs, which the simulated annotator judges; a person judges three; round 2 ingests that.

    The person prefers Yes. A pair whose prompt is held out stays held out: what is said of it trains nothing.
    """
    simulated = {"sources": [{"use": "simulated", "demonstrations": 0}]}
    first = hand_written.opened(tmp_path, ingest=simulated)
    workspace = furnished(first.workspace)
    collected(workspace, [world.render(request) for request in world.prompts(40, seed=7)])
    before = rows_after(first)
    assert {row.n_votes for row in before.values()} == {1}
    everything = LabelSettings(gold=0, repeats=0)
    assert everything.fill == ("collected",)
    assert fill(workspace, everything) == (40, 460)
    held_out = {question for question, row in before.items() if row.split == "holdout"}
    with feedback_database.opened(workspace) as database:
        desk, judged = Desk(workspace, database), list[str]()
        while len(judged) < 3 or not held_out & {*judged}:
            task = desk.next()
            desk.judge(task, preferred=side(task, "Yes."))
            judged.append(task.prompt[0].content)
    pairs.write(workspace.answers, [])
    after = rows_after(replace(first, number=2))
    assert {question for question, row in after.items() if row.n_votes == 2} == {*judged}
    assert {question: row.split for question, row in after.items()} == {
        question: row.split for question, row in before.items()
    }
    assert held_out & {*judged}
    assert all(after[question].split == "holdout" for question in held_out)
