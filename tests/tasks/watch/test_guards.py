from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.files import read_json
from feedback import store
from feedback.schema import FeedbackEvent, Judgement
from tasks.registry import audit, incidents
from tasks.registry.alias import Registry
from tasks.state import tombstones
from tasks.state.choosing import at
from tasks.state.workspace import Workspace
from tasks.watch.guards import WATCH, guard, live_feedback
from tests.feedback.examples import event, reply
from tests.tasks.registry.test_registry import champion, moves, with_champion_2

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture
def workspace(home: Path, tmp_path: Path) -> Workspace:
    """A workspace whose champion is version 2, which took over from version 1."""
    furnished = at(tmp_path / "furnished")
    for name in ("dvc.yaml", "params.yaml"):
        (home / name).write_bytes((furnished.root / name).read_bytes())
    with_champion_2(home)
    return Workspace(home)


def knobs(workspace: Workspace, text: str) -> None:
    workspace.params.write_text(text, encoding="utf-8")


def thumbs(version: str, up: int, down: int, **fields: Any) -> list[FeedbackEvent]:
    """Thumbs up and down from different people on answers of a version."""
    response = (reply("Soon.", model="policy", model_version=version),)
    return [
        event(
            kind="binary",
            native=f"{version} {ix}",
            responses=response,
            annotator_id=f"person {ix}",
            judgements=(Judgement(scores=(float(ix < up),)),),
            **fields,
        )
        for ix in range(up + down)
    ]


def test_without_a_champion_there_is_nothing_to_guard(home: Path, tmp_path: Path) -> None:
    assert guard(at(tmp_path / "new"), []).champion is None


def test_good_ratings_cause_no_breach(workspace: Workspace) -> None:
    guarded = guard(workspace, thumbs("2", 90, 10))
    assert (guarded.champion, guarded.now, guarded.alarms) == ("2", None, [])
    assert len(moves(workspace.root)) == 2
    assert [finding["guard"] for finding in read_json(workspace.watch / "guards.json")["found"]] == [
        *("harm", "errors", "liking", "preference")
    ]


def test_a_hard_breach_rolls_back_at_once_with_an_incident_and_a_cooldown(workspace: Workspace) -> None:
    guarded = guard(workspace, thumbs("2", 3, 0, flags=("harmful",)))
    registry = Registry(workspace.root)
    assert (guarded.now, champion(registry)) == ("1", "1")
    lines = [line for line in audit.read(workspace.audit) if line.event != "register"]
    assert [(line.event, line.who) for line in lines[2:]] == [
        ("incident opened", WATCH),
        ("rollback", WATCH),
        ("incident noted", WATCH),
    ]
    assert "harm: 3 people flagged 3 of 3 judged answers as harmful" in lines[3].facts["reason"]
    [incident] = incidents.about(workspace.audit, "2")
    assert (incident.open, incident.number) == (True, guarded.incident)
    assert registry.cooling(3600) is not None
    assert registry.version("2").tags["rolled_back"] == lines[3].facts["reason"]
    again = guard(workspace, thumbs("2", 3, 0, flags=("harmful",)))
    assert (again.champion, again.now, again.alarms) == ("1", None, [])


def test_feedback_of_a_forgotten_annotator_is_left_out(workspace: Workspace) -> None:
    registry = Registry(workspace.root)
    for name in ("person 0", "person 1"):
        tombstones.add(workspace, name, "bo", "asked", (), ())
    newest = registry.champion()
    assert newest is not None
    feedback = live_feedback(workspace, thumbs("2", 3, 0), newest.version, "1")
    assert [opinion.person for opinion in feedback.opinions] == ["annotator person 2"]


def test_a_soft_breach_rolls_back_when_it_is_significant(workspace: Workspace) -> None:
    store.append(workspace.feedback, thumbs("1", 160, 40), round=1)
    assert guard(workspace, thumbs("2", 20, 20)).now is None
    store.append(workspace.feedback, thumbs("2", 20, 20), round=2)  # stored by a round: they still count
    assert guard(workspace, thumbs("2", 40, 60)).now == "1"


@pytest.mark.parametrize(
    ("rollback", "flags", "down", "now"),
    [
        ("none", ("harmful",), 0, None),
        ("soft", ("harmful",), 0, None),
        ("hard", (), 100, None),
        ("hard", ("harmful",), 0, "1"),
        ("soft", (), 100, "1"),
    ],
)
def test_which_breaches_roll_back_is_a_knob(
    workspace: Workspace, rollback: str, flags: tuple[str, ...], down: int, now: str | None
) -> None:
    knobs(workspace, f"watch: {{rollback: {rollback}, guards: {{harm: {{}}, liking: {{floor: 0.9}}}}}}")
    guarded = guard(workspace, thumbs("2", 3, down, flags=flags))
    assert (len(guarded.breaches), guarded.now) == (1, now)
    if now is None:
        assert "watch.rollback" in guarded.kept
        assert guarded.alarms[-1] == f"version 2 stays champion: {guarded.kept}"
        assert len(moves(workspace.root)) == 2


def test_without_an_earlier_version_a_breach_is_only_an_alarm(workspace: Workspace) -> None:
    Registry(workspace.root).rollback(None, "a mistake", "ana")
    guarded = guard(workspace, thumbs("1", 0, 3, flags=("harmful",)))
    assert (guarded.champion, guarded.now) == ("1", None)
    assert guarded.alarms[-1] == f"version 1 stays champion: {guarded.kept}"


def test_if_the_earlier_version_was_deleted_in_mlflow_a_breach_is_only_an_alarm(workspace: Workspace) -> None:
    Registry(workspace.root).store.delete_model_version("policy", "1")
    guarded = guard(workspace, thumbs("2", 0, 3, flags=("harmful",)))
    assert (guarded.champion, guarded.now) == ("2", None)
    assert "version 1" in guarded.kept
    assert "deleted in MLflow" in guarded.kept
    assert guarded.alarms[-1] == f"version 2 stays champion: {guarded.kept}"
    assert read_json(workspace.watch / "guards.json")["kept"] == guarded.kept


def test_a_version_promoted_by_force_is_not_rolled_back_automatically(workspace: Workspace) -> None:
    registry = Registry(workspace.root)
    registry.rollback(None, "harm: 3 people", WATCH)
    registry.promote("2", "1", "the flags were spam", "ana", kind="force")
    guarded = guard(workspace, thumbs("2", 3, 0, flags=("harmful",)))
    assert (len(guarded.breaches), guarded.now) == (1, None)
    assert "(the flags were spam)" in guarded.kept


def test_during_a_cooldown_only_a_hard_breach_rolls_back(workspace: Workspace) -> None:
    registry = Registry(workspace.root)
    registry.promote("3", "2", "better", "rounds")
    registry.rollback(None, "worse", WATCH)
    knobs(workspace, "watch: {guards: {liking: {floor: 0.9}, harm: {}}}")
    assert "during the cooldown" in guard(workspace, thumbs("2", 0, 100)).kept
    assert guard(workspace, thumbs("2", 0, 100, flags=("harmful",))).now == "1"


def test_after_a_kill_the_open_incident_is_used_again(workspace: Workspace) -> None:
    number = incidents.begin(workspace.audit, "harm", "2", WATCH).number  # killed before the champion moved
    assert guard(workspace, thumbs("2", 3, 0, flags=("harmful",))).incident == number
    assert len(incidents.every(workspace.audit)) == 1


def test_live_comparisons_have_the_champion_first(workspace: Workspace) -> None:
    def compared(native: str, first: str, second: str) -> FeedbackEvent:
        answers = (reply("A.", model_version=first), reply("B.", model_version=second))
        return event(
            native=native, responses=answers, judgements=(Judgement(ranks=(1, 2)),), annotator_id=f"person {native}"
        )

    current = Registry(workspace.root).champion()
    assert current is not None
    feedback = live_feedback(
        workspace, [compared("1", "2", "1"), compared("2", "1", "2"), compared("3", "2", "7")], current.version, "1"
    )
    assert [(duel.versions, duel.share) for duel in feedback.duels] == [(("2", "1"), 1.0), (("2", "1"), 0.0)]


def test_of_watches_at_the_same_time_one_rolls_back(workspace: Workspace) -> None:
    """The hourly watch, and one that live feedback started: the second one finds the new champion."""
    with ThreadPoolExecutor(2) as threads:
        watches = [threads.submit(guard, workspace, thumbs("2", 0, 3, flags=("harmful",))) for _ in range(2)]
        found = sorted((watch.result() for watch in watches), key=lambda guarded: guarded.champion or "")
    assert [(guarded.champion, guarded.now) for guarded in found] == [("1", None), ("2", "1")]
    assert len(incidents.about(workspace.audit, "2")) == 1
    assert len(moves(workspace.root)) == 3
