"""An annotator takes tasks, judges them, takes judgements back, and sees how far they are."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback
from feedback import label_items, store
from feedback.labels import LabelJudgement, LabelKind, LabelTask
from feedback.preferences import preferences
from feedback.rows import PreferenceRow
from feedback.schema import FeedbackEvent, Message, Response
from feedback.split import SplitSettings
from feedback.store import arrivals
from feedback.store.database import Database
from feedback.votes import effective
from tasks.people import label_filling, labelling, polls, waiting
from tasks.people.label_settings import LabelSettings
from tasks.people.labelling import AlreadyJudged, NothingToUndo, NotYours
from tasks.people.polls import NoPoll
from tasks.people.waiting import VotesNeeded
from tasks.state import feedback_database, identity, tombstones
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.steps.ingest import ingest
from tests.tasks.people.waiting_round import opened
from tests.tasks.steps import hand_written
from tests.tasks.steps.hand_written import Logged

PLAIN = LabelSettings(gold=0, repeats=0)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return furnished(Workspace(tmp_path))


def furnished(workspace: Workspace) -> Workspace:
    """With a params.yaml that sets nothing, and a salt: sides and the places of gold items are always the same."""
    workspace.params.write_text("")
    identity.made(workspace, "desk", "salt")
    return workspace


@pytest.fixture
def db(workspace: Workspace) -> Iterator[Database]:
    with feedback_database.opened(workspace) as database:
        yield database


class Desk:
    """One annotator at the label page."""

    def __init__(
        self, workspace: Workspace, db: Database, annotator: str = "ana", settings: LabelSettings = PLAIN
    ) -> None:
        self.workspace, self.db, self.annotator, self.settings = workspace, db, annotator, settings

    def take(self) -> LabelTask | None:
        return labelling.take(self.workspace, self.db, self.settings, self.annotator)

    def next(self) -> LabelTask:
        task = self.take()
        assert task is not None
        return task

    def judge(self, task: LabelTask, **said: Any) -> labelling.JudgementReceipt:
        return labelling.judge(self.workspace, self.db, self.settings, self.annotator, task.id, LabelJudgement(**said))

    def undo(self) -> LabelTask:
        return labelling.undo(self.workspace, self.db, self.settings, self.annotator)

    def progress(self) -> labelling.AnnotatorProgress:
        return labelling.progress(self.workspace, self.db, self.annotator)


def answers(*texts: str) -> list[Response]:
    return [
        Response(
            response_id=f"answer-{text}",
            messages=(Message(role="assistant", content=text),),
            origin="model",
            model="policy",
            model_version="7",
        )
        for text in texts
    ]


def fill(
    workspace: Workspace, count: int, kind: LabelKind = "comparison", overlap: int = 1, name: str = "desk"
) -> None:
    """Items on the questions 0, 1, …, with the answers Yes and No."""
    items = [
        item
        for number in range(count)
        for item in label_items.of_answers(
            kind,
            (Message(role="user", content=f"Question {number}?"),),
            answers("Yes.", "No.") if kind == "comparison" else answers("Yes."),
        )
    ]
    label_filling.add(workspace, name, items, overlap)


def gold(workspace: Workspace, count: int) -> None:
    records = [{"prompt": f"Gold {number}?", "chosen": "Good.", "rejected": "Bad."} for number in range(count)]
    label_filling.add(workspace, "desk", [label_items.of_gold(record) for record in records], 1, gold=True)


def stored(db: Database) -> list[FeedbackEvent]:
    return arrivals.waiting_events(db, [])


def side(task: LabelTask, text: str) -> str:
    return "left" if task.answers[0] == text else "right"


def test_a_comparison_becomes_an_event_with_all_that_was_said(workspace: Workspace, db: Database) -> None:
    fill(workspace, 1)
    desk = Desk(workspace, db, settings=PLAIN.model_copy(update={"criteria": ("polite", "correct")}))
    task = desk.next()
    assert (task.kind, task.prompt[0].content, task.criteria) == ("comparison", "Question 0?", ("polite", "correct"))
    assert sorted(task.answers) == ["No.", "Yes."]
    receipt = desk.judge(
        task,
        preferred=side(task, "No."),
        strength=2,
        criteria={"polite": "tie", "correct": side(task, "Yes.")},
        reason="It is shorter.",
        duration_ms=4200,
        guideline_version="0123456789ab",
    )
    [event] = stored(db)
    assert receipt == (event.feedback_id, False, False)
    assert [answer.text for answer in event.responses] == ["Yes.", "No."]
    assert [answer.model_version for answer in event.responses] == ["7", "7"]
    assert event.shown_order == tuple(["Yes.", "No."].index(text) for text in task.answers)
    overall, polite, correct = event.judgements
    assert (overall.ranks, overall.strength, overall.strength_max) == ((2, 1), 2, 3)
    assert (overall.rationale, polite.outcome, correct.ranks) == ("It is shorter.", "tie", (1, 2))
    assert (event.kind, event.source, event.batch_id) == ("comparison", "label", "label:desk")
    assert (event.annotator_id, event.duration_ms, event.guideline_version) == ("ana", 4200, "0123456789ab")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"preferred": "tie"}, "tie"),
        ({"preferred": "both_good"}, "tie_both_good"),
        ({"preferred": "both_bad"}, "tie_both_bad"),
        ({"outcome": "skip"}, "skip"),
        ({"outcome": "cannot_judge"}, "cannot_judge"),
    ],
)
def test_who_prefers_no_answer_says_why(workspace: Workspace, db: Database, said: dict[str, str], outcome: str) -> None:
    fill(workspace, 1)
    desk = Desk(workspace, db)
    desk.judge(desk.next(), **said)
    [event] = stored(db)
    assert (event.judgements[0].outcome, event.judgements[0].ranks) == (outcome, None)


def test_what_is_skipped_goes_to_others_and_what_cannot_be_judged_does_not(workspace: Workspace, db: Database) -> None:
    fill(workspace, 2)
    ana, bob = Desk(workspace, db), Desk(workspace, db, "bob")
    ana.judge(ana.next(), outcome="skip")
    ana.judge(ana.next(), outcome="cannot_judge")
    assert ana.take() is None
    assert bob.next().prompt[0].content == "Question 0?"
    assert bob.progress().left_for_you == 1


def test_a_thumb_a_rating_a_critique_and_what_is_written_are_events_of_their_kind(
    workspace: Workspace, db: Database
) -> None:
    said: dict[LabelKind, dict[str, Any]] = {
        "binary": {"thumb": "up"},
        "rating": {"rating": 4},
        "critique": {"critique": "Too short."},
        "correction": {"correction": "Yes, of course."},
        "demonstration": {"demonstration": "Certainly."},
    }
    desk = Desk(workspace, db)
    for kind, judgement in said.items():
        fill(workspace, 1, kind, name=kind)
        task = desk.next()
        assert (task.kind, len(task.answers)) == (kind, 0 if kind == "demonstration" else 1)
        assert task.scale == ((1, 5) if kind == "rating" else None)
        desk.judge(task, **judgement, reason="Because.")
    thumb, rating, critique, correction, demonstration = stored(db)
    assert [event.kind for event in stored(db)] == list(said)
    assert (thumb.judgements[0].scores, thumb.judgements[0].rationale) == ((1.0,), "Because.")
    assert rating.judgements[0].scores == (4.0,)
    assert (rating.judgements[0].scale_min, rating.judgements[0].scale_max) == (1, 5)
    assert (critique.judgements[0].rationale, critique.extra["reason"]) == ("Too short.", "Because.")
    assert [(answer.text, answer.origin, answer.parent_ix) for answer in correction.responses] == [
        ("Yes.", "model", None),
        ("Yes, of course.", "human_edit", 0),
    ]
    assert [(answer.text, answer.origin) for answer in demonstration.responses] == [("Certainly.", "human")]
    assert correction.extra["reason"] == demonstration.extra["reason"] == "Because."


def test_an_edit_beside_a_comparison_is_a_correction_of_the_preferred_answer(
    workspace: Workspace, db: Database
) -> None:
    fill(workspace, 1)
    desk = Desk(workspace, db)
    task = desk.next()
    assert task.editable
    desk.judge(task, preferred=side(task, "No."), correction="No, sorry.")
    comparison, edit = stored(db)
    assert (comparison.kind, edit.kind) == ("comparison", "correction")
    assert [answer.text for answer in edit.responses] == ["No.", "No, sorry."]


def test_a_task_stays_the_same_until_it_is_judged_and_sides_differ_between_people(
    workspace: Workspace, db: Database
) -> None:
    fill(workspace, 1, overlap=30)
    desk = Desk(workspace, db)
    first, again = desk.next(), desk.next()
    assert again._replace(until=first.until) == first
    left = [Desk(workspace, db, f"person-{number}").next().answers[0] for number in range(29)]
    assert 5 < left.count("Yes.") < 24


def test_a_judgement_that_is_sent_again_is_stored_once_and_another_one_is_refused(
    workspace: Workspace, db: Database
) -> None:
    fill(workspace, 1)
    desk = Desk(workspace, db)
    task = desk.next()
    receipt = desk.judge(task, preferred="left")
    assert desk.judge(task, preferred="left") == receipt._replace(repeated=True)
    with pytest.raises(AlreadyJudged, match="take that judgement back"):
        desk.judge(task, preferred="right")
    with pytest.raises(AlreadyJudged):
        desk.judge(task, preferred="left", correction="Maybe.")
    assert len(stored(db)) == 1


def test_a_judgement_that_was_stored_before_a_kill_is_replaced_by_the_next_one(
    workspace: Workspace, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feedback.store import label_tasks

    fill(workspace, 1)
    desk = Desk(workspace, db)
    task = desk.next()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(label_tasks, "close", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.judge(task, preferred="left", correction="Maybe.")
    assert desk.next().id == task.id
    desk.judge(task, preferred="right")
    [last] = [event for event in effective(stored(db)) if event.judgements[0].outcome != "skip"]
    assert (last.judgements[0].ranks, last.kind) == ((2, 1) if last.shown_order == (0, 1) else (1, 2), "comparison")


def test_nobody_judges_the_task_of_another_one(workspace: Workspace, db: Database) -> None:
    fill(workspace, 1)
    task = Desk(workspace, db).next()
    with pytest.raises(NotYours, match="another person's"):
        Desk(workspace, db, "bob").judge(task, preferred="left")
    with pytest.raises(NotYours, match="no task"):
        Desk(workspace, db).judge(task._replace(id="0" * 32), preferred="left")
    assert stored(db) == []


@pytest.mark.parametrize(
    ("kind", "said", "message"),
    [
        ("comparison", {"preferred": "lft"}, "preferred is 'lft', expected left, right, tie, both_good, both_bad"),
        ("comparison", {"outcome": "pass"}, "outcome is 'pass', expected skip, cannot_judge"),
        ("comparison", {}, "preferred is missing"),
        ("comparison", {"thumb": "up"}, "thumb is not asked of a comparison"),
        ("comparison", {"outcome": "skip", "preferred": "left"}, "expected one of them"),
        ("comparison", {"preferred": "tie", "strength": 1}, "strength is that of a preference"),
        ("comparison", {"preferred": "tie", "correction": "Maybe."}, "corrected is missing"),
        ("comparison", {"preferred": "left", "criteria": {"rude": "left"}}, "criteria has 'rude', expected polite"),
        ("comparison", {"preferred": "left", "criteria": {"polite": "up"}}, "criteria.polite is 'up'"),
        ("binary", {"thumb": "sideways"}, "thumb is 'sideways', expected up, down"),
        ("rating", {"rating": 6}, "rating is 6, expected a whole number from 1 to 5"),
        ("correction", {"correction": "yes. "}, "correction is the answer as it was"),
        ("demonstration", {"demonstration": "  "}, "demonstration is empty"),
        ("critique", {"critique": "Bad.", "criteria": {"polite": 1}}, "criteria are not asked of a critique"),
    ],
)
def test_a_judgement_that_does_not_fit_is_refused_and_the_task_stays_open(
    workspace: Workspace, db: Database, kind: LabelKind, said: dict[str, Any], message: str
) -> None:
    fill(workspace, 1, kind)
    desk = Desk(workspace, db, settings=PLAIN.model_copy(update={"criteria": ("polite",)}))
    task = desk.next()
    with pytest.raises(BadFeedback, match=message):
        desk.judge(task, **said)
    assert stored(db) == []
    assert desk.next().id == task.id


def test_a_task_whose_time_is_over_can_be_judged_unless_it_was_handed_back(workspace: Workspace, db: Database) -> None:
    fill(workspace, 2)
    hasty = PLAIN.model_copy(update={"hold": -1.0})  # over at once
    ana, bob = Desk(workspace, db, settings=hasty), Desk(workspace, db, "bob")
    late = ana.next()
    assert bob.next().prompt == late.prompt, "it is offered to others"
    ana.judge(late, preferred="left")
    assert len(stored(db)) == 1
    over = ana.next()
    bob.judge(bob.next(), preferred="left")
    bob.judge(bob.next(), preferred="left")
    assert ana.take() is None, "others have judged all that is wanted"
    with pytest.raises(NotYours, match="the time of the task"):
        ana.judge(over, preferred="left")


def test_a_judgement_that_is_taken_back_is_superseded_and_its_task_comes_again(
    workspace: Workspace, db: Database
) -> None:
    fill(workspace, 2)
    desk = Desk(workspace, db)
    with pytest.raises(NothingToUndo):
        desk.undo()
    task = desk.next()
    desk.judge(task, preferred=side(task, "Yes."), correction="Yes!", corrected=side(task, "Yes."))
    other = desk.next()
    again = desk.undo()
    assert (again.id, again.answers) == (task.id, task.answers)
    assert desk.next().id == task.id, "also after a reload"
    assert [event.judgements[0].outcome for event in effective(stored(db))] == ["skip", "skip"]
    desk.judge(again, preferred=side(task, "No."))
    assert desk.next().id == other.id
    first, edit, *withdrawn, last = stored(db)
    assert [event.supersedes for event in withdrawn] == [first.feedback_id, edit.feedback_id]
    assert last.supersedes == withdrawn[0].feedback_id
    assert last.judgements[0].ranks == (2, 1)
    assert desk.judge(again, preferred=side(task, "No.")).repeated


@pytest.mark.parametrize("kind", ["binary", "correction", "demonstration"])
def test_what_is_taken_back_trains_nothing(workspace: Workspace, db: Database, kind: LabelKind) -> None:
    said = {"binary": {"thumb": "up"}, "correction": {"correction": "Yes!"}, "demonstration": {"demonstration": "Ja."}}
    fill(workspace, 1, kind)
    desk = Desk(workspace, db)
    desk.judge(desk.next(), **said[kind])
    desk.undo()
    [left] = effective(stored(db))
    assert (left.kind, left.judgements[0].outcome, left.judgements[0].scores) == ("label", "skip", None)
    desk.judge(desk.next(), **said[kind])
    assert [event.kind for event in effective(stored(db))] == [kind]


def test_a_skip_is_taken_back_without_another_event(workspace: Workspace, db: Database) -> None:
    fill(workspace, 1)
    desk = Desk(workspace, db)
    desk.judge(desk.next(), outcome="skip")
    task = desk.undo()
    assert len(stored(db)) == 1
    desk.judge(task, preferred="left")
    skip, judged = stored(db)
    assert judged.supersedes == skip.feedback_id


def test_a_demonstration_can_be_skipped_and_nothing_is_stored(workspace: Workspace, db: Database) -> None:
    fill(workspace, 1, "demonstration")
    desk = Desk(workspace, db)
    task = desk.next()
    assert desk.judge(task, outcome="skip") == (None, False, False)
    assert desk.judge(task, outcome="skip").repeated
    assert stored(db) == []
    desk.judge(desk.undo(), demonstration="Ja.")
    assert stored(db)[0].supersedes is None


def test_progress_counts_the_annotator_and_what_is_left(workspace: Workspace, db: Database) -> None:
    fill(workspace, 3, overlap=2)
    ana, bob = Desk(workspace, db), Desk(workspace, db, "bob")
    assert ana.progress() == (0, 0, 6, 3)
    ana.judge(ana.next(), preferred="left")
    assert ana.progress() == (1, 1, 5, 2)
    ana.next()
    assert ana.progress() == (1, 1, 5, 2), "what is held is still to be judged"
    assert bob.progress() == (0, 0, 5, 3)


def test_gold_items_and_repeats_are_mixed_in_and_look_like_others(workspace: Workspace, db: Database) -> None:
    fill(workspace, 40)
    gold(workspace, 10)
    desk = Desk(workspace, db, settings=LabelSettings(gold=0.1, repeats=0.1))
    shown = []
    while task := desk.take():
        shown.append(task)
        desk.judge(task, preferred="left")
    texts = [task.prompt[0].content for task in shown]
    golden = [text for text in texts if text.startswith("Gold")]
    repeated = [text for text, count in Counter(texts).items() if count > 1]
    assert 4 <= len(golden) == len(set(golden)) <= 6
    assert 2 <= len(repeated) <= 6
    assert len({text for text in texts if text.startswith("Question")}) == 40
    assert len({task.id for task in shown}) == len(shown)
    events = {status: [e for e in stored(db) if e.status == status] for status in ("active", "quarantined")}
    assert Counter(flag for event in events["quarantined"] for flag in event.flags) == {
        "gold": len(golden),
        "repeat": len(repeated),
    }
    assert len(events["active"]) == 40
    assert all(not event.flags for event in events["active"])


def test_somebody_who_is_forgotten_gets_nothing(workspace: Workspace, db: Database) -> None:
    fill(workspace, 1)
    tombstones.add(workspace, "ana", "op", "asked", (), ())
    desk = Desk(workspace, db)
    with pytest.raises(BadFeedback, match="forgotten"):
        desk.take()


def test_eight_people_at_once_give_each_item_as_many_judgements_as_it_wants(workspace: Workspace, db: Database) -> None:
    fill(workspace, 200, overlap=2)

    def work(name: str) -> int:
        desk, done = Desk(workspace, db, name), 0
        while task := desk.take():
            desk.judge(task, preferred="left")
            done += 1
        return done

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, [f"person-{number}" for number in range(8)]))
    events = stored(db)
    assert sum(done) == len(events) == 400
    by_item = Counter(event.prompt[0].content for event in events)
    assert set(by_item.values()) == {2}
    assert len({(event.prompt[0].content, event.annotator_id) for event in events}) == 400


def ingested(round: Round) -> list[PreferenceRow]:
    """The pairs that training derives once a round has taken in what waits."""
    claim = feedback_database.claim(round.workspace, round.number)
    ingest(replace(round, claim=claim), Logged())
    return preferences(store.events(round.workspace.feedback), SplitSettings(), "salt").rows


def test_the_next_round_learns_from_judgements_and_not_from_gold_repeats_and_what_was_taken_back(
    tmp_path: Path,
) -> None:
    first = hand_written.opened(tmp_path, ingest={"sources": []})
    workspace = furnished(first.workspace)
    fill(workspace, 20, overlap=3)
    gold(workspace, 3)
    said: dict[str, dict[str, Any]] = {"ana": {"strength": 3}, "bob": {"strength": 1}, "cem": {}}
    with feedback_database.opened(workspace) as db:
        for name, strength in said.items():
            desk = Desk(workspace, db, name, LabelSettings(gold=0.3, repeats=0.5))
            while task := desk.take():
                better = "Good." if "Good." in task.answers else "No." if name == "cem" else "Yes."
                desk.judge(task, preferred=side(task, better), **strength)
        assert {flag for event in stored(db) for flag in event.flags} == {"gold", "repeat"}
        rows = ingested(first)
        assert {row.prompt[0]["content"] for row in rows} == {f"Question {number}?" for number in range(20)}
        for row in rows:
            assert (row.chosen, row.rejected, row.weight, row.n_votes) == ("Yes.", "No.", 3, 3)
            assert row.p_chosen == pytest.approx(2 / 3)
            assert row.strength == pytest.approx((3 / 3 + 1 / 3) / 2)  # two votes state one, both for Yes
        desk = Desk(workspace, db)
        taken_back = desk.undo()
        while taken_back.prompt[0].content.startswith("Gold") or stored(db)[-1].flags:
            taken_back = desk.undo()
        [changed] = [row for row in ingested(replace(first, number=2)) if row.n_votes < 3]
        assert changed.prompt[0]["content"] == taken_back.prompt[0].content
        assert (changed.p_chosen, changed.weight) == (0.5, 2)  # that of bob for Yes and that of cem for No are left


@pytest.fixture
def voting(tmp_path: Path) -> Workspace:
    """Round 3 waits for two votes."""
    workspace = furnished(opened(tmp_path))
    waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2))
    return workspace


def test_the_pairs_of_a_waiting_round_come_first_and_votes_end_its_wait(voting: Workspace) -> None:
    with feedback_database.opened(voting) as db:
        fill(voting, 1)
        desk = Desk(voting, db)
        task = desk.next()
        assert (task.prompt[0].content, task.editable) == ("Question 0?", False)
        assert sorted(task.answers) == ["No.", "Yes."]
        assert desk.progress() == (0, 0, 3, 4), "two votes and an item; three pairs with different answers and an item"
        receipt = desk.judge(task, preferred=side(task, "Yes."), strength=3, reason="Clear.")
        assert receipt == (None, False, False)
        assert desk.judge(task, preferred=side(task, "Yes."), strength=3, reason="Clear.").repeated
        with pytest.raises(AlreadyJudged):
            desk.judge(task, preferred=side(task, "No."))
        [vote] = polls.cast(voting)
        assert (vote.judgements[0].ranks, vote.judgements[0].strength) == ((1, 2), 3)
        assert vote.shown_order == tuple(["Yes.", "No."].index(text) for text in task.answers)
        assert desk.judge(desk.next(), preferred="tie").continued
        assert (polls.count(voting), stored(db)) == (2, [])
        assert desk.next().kind == "comparison"
        assert desk.next().editable, "no more votes are wanted: the queue follows"


def test_a_vote_is_taken_back_while_the_round_waits(voting: Workspace) -> None:
    with feedback_database.opened(voting) as db:
        desk = Desk(voting, db)
        task = desk.next()
        desk.judge(task, preferred="left")
        assert desk.undo().id == task.id
        assert polls.count(voting) == 0
        assert desk.next().id == task.id
        desk.judge(task, preferred="right")
        assert polls.count(voting) == 1
        wait = waiting.of(voting, "votes")
        assert wait is not None
        waiting.end(voting, wait)
        with pytest.raises(NothingToUndo, match="no longer waits"):
            desk.undo()
        with pytest.raises(NoPoll):
            desk.judge(task, preferred="right")
