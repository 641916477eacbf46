from pathlib import Path
from typing import Any

import pytest

from core.files import read_json
from feedback import store
from feedback.schema import FeedbackEvent, Judgement
from tasks.registry import audit, incidents
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace, at
from tasks.watch.guarding import WATCH, guard, hear
from tests.feedback.examples import event, reply
from tests.tasks.registry.test_registry import champion, moves, with_champion_2

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture
def place(home: Path, tmp_path: Path) -> Workspace:
    """A workspace whose champion is version 2, which took over from 1."""
    made = at(tmp_path / "furnished")
    for name in ("dvc.yaml", "params.yaml"):
        (home / name).write_bytes((made.root / name).read_bytes())
    with_champion_2(home)
    return Workspace(home)


def knobs(place: Workspace, text: str) -> None:
    place.params.write_text(text, encoding="utf-8")


def thumbs(version: str, up: int, down: int, **fields: Any) -> list[FeedbackEvent]:
    """Thumbs of different people on answers of a version."""
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


def test_content_people_change_nothing(place: Workspace) -> None:
    guarded = guard(place, thumbs("2", 90, 10))
    assert (guarded.champion, guarded.now, guarded.alarms) == ("2", None, [])
    assert len(moves(place.root)) == 2
    assert [found["guard"] for found in read_json(place.watch / "guards.json")["found"]] == [
        *("harm", "errors", "liking", "preference")
    ]


def test_a_hard_breach_rolls_back_at_once_with_an_incident_and_a_cooldown(place: Workspace) -> None:
    guarded = guard(place, thumbs("2", 3, 0, flags=("harmful",)))
    registry = Registry(place.root)
    assert (guarded.now, champion(registry)) == ("1", "1")
    lines = audit.read(place.audit)
    assert [(line.event, line.who) for line in lines[2:]] == [
        ("incident opened", WATCH),
        ("rollback", WATCH),
        ("incident noted", WATCH),
    ]
    assert "harm: 3 people flagged 3 of 3 judged answers as harmful" in lines[3].facts["reason"]
    [incident] = incidents.about(place.audit, "2")
    assert (incident.open, incident.number) == (True, guarded.incident)
    assert registry.cooling(3600) is not None
    assert registry.version("2").tags["rolled_back"] == lines[3].facts["reason"]
    again = guard(place, thumbs("2", 3, 0, flags=("harmful",)))
    assert (again.champion, again.now, again.alarms) == ("1", None, [])


def test_a_soft_breach_rolls_back_when_it_is_sure(place: Workspace) -> None:
    store.append(place.feedback, thumbs("1", 160, 40), round=1)
    assert guard(place, thumbs("2", 20, 20)).now is None
    store.append(place.feedback, thumbs("2", 20, 20), round=2)  # a round took them in: they still count
    assert guard(place, thumbs("2", 40, 60)).now == "1"


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
    place: Workspace, rollback: str, flags: tuple[str, ...], down: int, now: str | None
) -> None:
    knobs(place, f"watch: {{rollback: {rollback}, guards: {{harm: {{}}, liking: {{floor: 0.9}}}}}}")
    guarded = guard(place, thumbs("2", 3, down, flags=flags))
    assert (len(guarded.breaches), guarded.now) == (1, now)
    if now is None:
        assert guarded.alarms[-1] == "version 2 stays champion: such a breach only raises an alarm (watch.rollback)"
        assert len(moves(place.root)) == 2


def test_what_nobody_can_go_back_from_is_an_alarm(place: Workspace) -> None:
    Registry(place.root).rollback(None, "a mistake", "ana")
    guarded = guard(place, thumbs("1", 0, 3, flags=("harmful",)))
    assert (guarded.champion, guarded.now) == ("1", None)
    assert "it took over from no other version" in guarded.kept


def test_a_version_that_was_deleted_in_mlflow_is_an_alarm(place: Workspace) -> None:
    Registry(place.root).store.delete_model_version("policy", "1")
    guarded = guard(place, thumbs("2", 0, 3, flags=("harmful",)))
    assert (guarded.champion, guarded.now) == ("2", None)
    assert "version 2 stays champion: version 1, which it took over from, was deleted in MLflow" in guarded.alarms[-1]
    assert read_json(place.watch / "guards.json")["kept"] == guarded.kept


def test_a_version_that_a_person_forced_is_theirs_to_roll_back(place: Workspace) -> None:
    registry = Registry(place.root)
    registry.rollback(None, "harm: 3 people", WATCH)
    registry.promote("2", "1", "the flags were spam", "ana", kind="force")
    guarded = guard(place, thumbs("2", 3, 0, flags=("harmful",)))
    assert (len(guarded.breaches), guarded.now) == (1, None)
    assert "by force (the flags were spam)" in guarded.kept


def test_within_a_cooldown_only_a_hard_breach_rolls_back_further(place: Workspace) -> None:
    registry = Registry(place.root)
    registry.promote("3", "2", "better", "rounds")
    registry.rollback(None, "worse", WATCH)
    knobs(place, "watch: {guards: {liking: {floor: 0.9}, harm: {}}}")
    assert "only a hard breach rolls back again so soon" in guard(place, thumbs("2", 0, 100)).kept
    assert guard(place, thumbs("2", 0, 100, flags=("harmful",))).now == "1"


def test_after_a_kill_the_incident_that_was_opened_is_found_again(place: Workspace) -> None:
    number = incidents.begin(place.audit, "harm", "2", WATCH).number  # killed before the champion moved
    assert guard(place, thumbs("2", 3, 0, flags=("harmful",))).incident == number
    assert len(incidents.every(place.audit)) == 1


def test_duels_are_turned_so_that_the_champion_comes_first(place: Workspace) -> None:
    def compared(native: str, first: str, second: str) -> FeedbackEvent:
        answers = (reply("A.", model_version=first), reply("B.", model_version=second))
        return event(
            native=native, responses=answers, judgements=(Judgement(ranks=(1, 2)),), annotator_id=f"person {native}"
        )

    now = Registry(place.root).champion()
    assert now is not None
    heard = hear(place, [compared("1", "2", "1"), compared("2", "1", "2"), compared("3", "2", "7")], now)
    assert [(duel.versions, duel.share) for duel in heard.duels] == [(("2", "1"), 1.0), (("2", "1"), 0.0)]
