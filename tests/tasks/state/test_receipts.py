"""Which files of the inbox were imported, and what an outsider who writes to the inbox or sends events can not do."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback, Damaged
from core.files import digest
from feedback import canonical, live, store
from feedback.schema import FeedbackEvent, RejectedRecord, event_id
from feedback.sources import Intake
from feedback.trust import Trust
from feedback.votes import effective
from tasks.state import feedback_database, inbox, intake, receipts, tombstones
from tasks.state.choosing import at
from tasks.state.handing_in import HandedIn, hand_in
from tasks.state.receipts import Stated
from tasks.state.workspace import Workspace
from tasks.steps.ingest import ingest
from tasks.tools.receiving import receive
from tests.feedback.examples import vote
from tests.tasks.steps.hand_written import Logged, opened

GOOD = {"prompt": "Is it open?", "chosen": "Until six.", "rejected": "No idea."}
BO = GOOD | {"source": "desk", "source_id": "1", "annotator_id": "bo"}
PARAMS = "ingest: {threshold: 99}\n"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv(feedback_database.ADDRESS, raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    workspace = at(tmp_path / "workspace")
    workspace.params.write_text(PARAMS)
    return workspace


def lines(path: Path, *records: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def dropped(workspace: Workspace, name: str, *records: Mapping[str, Any]) -> Path:
    """A file that somebody put into the inbox by hand."""
    return lines(workspace.inbox / name, *records)


def imported(workspace: Workspace, *records: Mapping[str, Any], stated: Stated = receipts.NOTHING) -> HandedIn:
    file = lines(workspace.root.parent / "handed" / f"{len(list(workspace.root.parent.rglob('*')))}.jsonl", *records)
    return hand_in(workspace, [file], stated=stated)


def next_round(workspace: Workspace, number: int = 1) -> dict[str, float]:
    """Ingest what waits, as the next round does; returns its metrics."""
    round, log = opened(workspace.root.parent, number, ingest={"sources": []}), Logged()
    claim = feedback_database.claim(workspace, number)
    names = tuple(file.name for file in inbox.files(workspace))
    ingest(replace(round, inbox=names, claim=claim), log)
    for name in names:
        (workspace.inbox / name).unlink()
    return log.metrics


def counting(workspace: Workspace) -> list[tuple[str, str, str]]:
    """Annotator, licence and better answer of the events that count."""
    events = effective(store.events(workspace.feedback))
    return sorted((event.annotator_id, event.licence, _best(event)) for event in events)


def _best(event: FeedbackEvent) -> str:
    [judgement] = event.judgements
    return judgement.outcome if judgement.ranks is None else event.responses[judgement.ranks.index(1)].text


def reasons(workspace: Workspace) -> list[str]:
    return [record.reason for record in store.rejections(workspace.feedback)]


def levels(workspace: Workspace) -> list[Trust]:
    return [source.level for source in inbox.sources(workspace)]


def test_what_was_imported_is_believed_and_what_was_dropped_is_not(workspace: Workspace) -> None:
    dropped(workspace, "by-hand.jsonl", BO | {"licence": "MIT"})
    imported(workspace, BO | {"prompt": "Is it late?", "licence": "MIT"})
    assert levels(workspace) == [Trust.OPERATOR, Trust.OUTSIDE], "what was imported is read first"
    next_round(workspace)
    assert counting(workspace) == [("bo", "MIT", "Until six."), ("unknown", "none-stated", "Until six.")]


def test_a_file_with_the_name_of_an_import_is_still_from_outside(workspace: Workspace, tmp_path: Path) -> None:
    content = lines(tmp_path / "x.jsonl", BO)
    dropped(workspace, f"{digest(content)[:16]}.jsonl", BO)
    assert levels(workspace) == [Trust.OUTSIDE]


def test_a_file_whose_content_was_changed_is_from_outside(workspace: Workspace) -> None:
    imported(workspace, BO)
    [file] = inbox.files(workspace)
    lines(file, BO | {"annotator_id": "eve"})
    assert levels(workspace) == [Trust.OUTSIDE]


def test_a_file_that_has_taken_the_name_of_an_import_does_not_block_it(workspace: Workspace, tmp_path: Path) -> None:
    name = f"{digest(lines(tmp_path / 'x.jsonl', BO))[:16]}.jsonl"
    dropped(workspace, name, GOOD | {"chosen": "Never."})
    assert imported(workspace, BO)[:4] == (1, 1, 1, 0)
    assert imported(workspace, BO)[:4] == (1, 1, 0, 0)
    assert sorted(file.name for file in inbox.files(workspace)) == [f"{name[:16]}-2.jsonl", name]
    next_round(workspace)
    assert counting(workspace) == [("bo", "none-stated", "Until six."), ("unknown", "none-stated", "Never.")]


def test_the_files_of_an_older_import_count_as_imported_once(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    content = lines(tmp_path / "x.jsonl", BO)
    old = dropped(workspace, f"{digest(content)[:16]}.jsonl", BO)
    packed = workspace.inbox / f"{digest(content)[:16]}.jsonl.gz"
    packed.write_bytes(gzip.compress(content.read_bytes()))
    dropped(workspace, "0123456789abcdef.jsonl", BO)
    (workspace.inbox / "0123456789abcdef.jsonl.gz").write_bytes(b"\x1f\x8bno gzip")
    names = {receipt.name for receipt in receipts.valid(workspace).values()}
    assert names == {old.name, packed.name}
    assert not workspace.inbox_receipts.exists(), "reading writes nothing"
    workspace.root.joinpath("dvc.yaml").touch()
    assert receipts.valid(at(workspace.root)).keys() == names
    later = lines(tmp_path / "y.jsonl", GOOD)
    dropped(workspace, f"{digest(later)[:16]}.jsonl", GOOD)
    assert receipts.valid(workspace).keys() == names, "from now on a name says nothing"


def test_receipts_that_cannot_be_read_are_named(workspace: Workspace) -> None:
    workspace.inbox_receipts.write_text("no json\n")
    with pytest.raises(Damaged, match=r"inbox\.receipts, line 1"):
        receipts.read(workspace)


def test_receipts_of_files_that_are_gone_are_dropped(workspace: Workspace) -> None:
    imported(workspace, BO)
    next_round(workspace)
    imported(workspace, GOOD)
    assert len(receipts.read(workspace)) == 1


def test_licence_and_consent_are_those_of_records_that_state_none(workspace: Workspace) -> None:
    stated = Stated(licence="CC-BY-4.0", consent="opt-in")
    imported(workspace, BO, BO | {"source_id": "2", "licence": "MIT"}, stated=stated)
    expected = {event.feedback_id for event in intake.inbox_events(workspace)}
    next_round(workspace)
    events = store.events(workspace.feedback)
    assert {(event.licence, event.consent) for event in events} == {("CC-BY-4.0", "opt-in"), ("MIT", "opt-in")}
    assert {event.feedback_id for event in events} == expected == {vote_id("1"), vote_id("2")}


def vote_id(native: str) -> str:
    return event_id("desk", native, "bo")


def test_another_licence_for_what_waits_or_is_stored_is_refused_and_named(workspace: Workspace) -> None:
    imported(workspace, BO)
    with pytest.raises(BadFeedback, match=r"waits already as data/inbox/\w+\.jsonl.*remove that file.*--licence MIT"):
        imported(workspace, BO, stated=Stated(licence="MIT"))
    next_round(workspace)
    with pytest.raises(BadFeedback, match="none of 1 records can be used"):
        imported(workspace, BO, stated=Stated(licence="MIT"))
    assert counting(workspace) == [("bo", "none-stated", "Until six.")]


def test_what_is_ignored_is_counted(workspace: Workspace) -> None:
    given = [BO | {"feedback_id": "x"}, BO | {"source_id": "2", "feedback_id": "y", "split": "holdout"}, GOOD]
    assert imported(workspace, *given).ignored == {"feedback_id": 2, "split": 1}
    assert imported(workspace, BO | {"source_id": "3", "feedback_id": "z"}, stated=Stated(trust=True)).ignored == {}


def test_with_trust_an_export_keeps_its_ids(workspace: Workspace) -> None:
    imported(workspace, BO | {"feedback_id": "exported", "prompt_group": "theirs"}, stated=Stated(trust=True))
    next_round(workspace)
    [event] = store.events(workspace.feedback)
    assert (event.feedback_id, event.prompt_group) == ("exported", "theirs")


SQUATTED = BO | {"feedback_id": vote_id("7"), "chosen": "Never."}
RIGHTFUL = BO | {"source_id": "7"}


@pytest.mark.parametrize("first", ["squatter", "rightful"])
@pytest.mark.parametrize("way", ["inbox", "database", "store"])
def test_an_id_that_an_outsider_states_blocks_nobody(workspace: Workspace, first: str, way: str) -> None:
    def squat() -> None:
        if way == "inbox":
            dropped(workspace, "squat.jsonl", SQUATTED)
        else:
            event = vote("7", annotator_id="bo", source="desk").model_copy(update={"feedback_id": vote_id("7")})
            receive(workspace, [event], "eve")

    def hand_in() -> None:
        imported(workspace, RIGHTFUL)

    acts = [squat, hand_in]
    for act in acts if first == "squatter" else reversed(acts):
        act()
        if way == "store":
            next_round(workspace, 1 + len(store.parts(workspace.feedback)))
    if way != "store":
        next_round(workspace)
    stored = {event.feedback_id: event for event in store.events(workspace.feedback)}
    assert (stored[vote_id("7")].annotator_id, _best(stored[vote_id("7")])) == ("bo", "Until six.")
    assert len(stored) == 2
    assert reasons(workspace) == []


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_trusted_claims_of_one_id_the_later_one_is_refused(workspace: Workspace, order: int) -> None:
    full, both = Stated(trust=True), [SQUATTED, RIGHTFUL][::order]
    imported(workspace, both[0], stated=full)
    with pytest.raises(BadFeedback, match="is that of another record"):
        imported(workspace, both[1], stated=full)
    next_round(workspace)
    assert [_best(event) for event in store.events(workspace.feedback)] == [both[0]["chosen"]]


@pytest.mark.parametrize("stored", [True, False])
def test_nobody_withdraws_or_overwrites_the_vote_of_another(workspace: Workspace, stored: bool) -> None:
    imported(workspace, BO)
    if stored:
        next_round(workspace)
    target = {"supersedes": vote_id("1")}
    skip = {"kind": "comparison", "prompt": "Is it open?", "responses": ["A", "B"], "judgements": [{"outcome": "skip"}]}
    dropped(workspace, "skip.jsonl", skip | target | {"annotator_id": "bo"})
    dropped(workspace, "overwrite.jsonl", GOOD | target | {"annotator_id": "bo", "chosen": "Never."})
    receive(workspace, [vote("9", annotator_id="bo", supersedes=vote_id("1"))], "eve")
    with pytest.raises(BadFeedback, match="an event of another annotator"):
        imported(workspace, BO | target | {"source_id": "8", "annotator_id": "eve"})
    waiting = [] if stored else [("bo", "Until six.")]
    assert [(event.annotator_id, _best(event)) for event in intake.waiting_events(workspace)] == waiting
    metrics = next_round(workspace, 2)
    assert metrics["quarantined"] == 3
    assert [reason.split(",")[1].strip() for reason in reasons(workspace)] == ["an event of another annotator"] * 3
    assert counting(workspace) == [("bo", "none-stated", "Until six.")]


def test_givers_supersede_their_own_events_and_with_trust_those_of_others(workspace: Workspace) -> None:
    imported(workspace, BO, BO | {"source_id": "5", "prompt": "Is it far?"})
    mine = receive(workspace, [vote("1")], "cem")
    assert mine.new == 1
    next_round(workspace)
    imported(workspace, BO | {"source_id": "2", "supersedes": vote_id("1"), "chosen": "At six."})
    [cem] = [event for event in store.events(workspace.feedback) if event.annotator_id == "cem"]
    receive(workspace, [vote("2", ranks=(2, 1), supersedes=cem.feedback_id)], "cem")
    other = BO | {"source_id": "6", "annotator_id": "eve", "supersedes": vote_id("5"), "chosen": "Yes."}
    imported(workspace, other, stated=Stated(trust=True))
    next_round(workspace, 2)
    assert reasons(workspace) == []
    assert [(who, best) for who, _, best in counting(workspace)] == [
        ("bo", "At six."),
        ("cem", "Magic."),
        ("eve", "Yes."),
    ]


def test_what_supersedes_an_event_of_the_same_round_is_taken_in_whatever_their_order(workspace: Workspace) -> None:
    new = BO | {"source_id": "2", "supersedes": vote_id("1"), "chosen": "At six."}
    imported(workspace, new, BO)
    next_round(workspace)
    assert [best for _, _, best in counting(workspace)] == ["At six."]
    assert len(store.events(workspace.feedback)) == 2


def test_what_supersedes_an_own_event_that_is_read_later_in_the_round_is_taken_in(workspace: Workspace) -> None:
    """Files are read before the events of the database."""
    receive(workspace, [vote("1")], "bo")
    [event] = intake.waiting_events(workspace)
    imported(workspace, BO | {"supersedes": event.feedback_id})
    assert next_round(workspace)["quarantined"] == 0
    assert counting(workspace) == [("bo", "none-stated", "Until six.")]


def test_what_supersedes_an_unknown_event_is_refused(workspace: Workspace) -> None:
    """Otherwise it would withdraw an event before that arrives."""
    with pytest.raises(BadFeedback, match="neither stored nor waits"):
        imported(workspace, BO | {"supersedes": vote_id("2")})
    receive(workspace, [vote("1", supersedes=vote_id("2"))], "eve")
    imported(workspace, GOOD)
    assert next_round(workspace)["quarantined"] == 1
    imported(workspace, BO | {"source_id": "2"})
    next_round(workspace, 2)
    assert ("bo", "none-stated", "Until six.") in counting(workspace)


def test_an_event_that_was_stored_before_keeps_its_effect_when_it_is_read_again(workspace: Workspace) -> None:
    """Older versions let everybody supersede everything."""
    old = [
        vote("1", annotator_id="bo"),
        vote("2", annotator_id="eve", supersedes=vote("1", annotator_id="bo").feedback_id),
    ]
    store.append(workspace.feedback, old, 0)
    handed = lines(workspace.root.parent / "again.jsonl", *(event.model_dump(mode="json") for event in old))
    source = {"use": "jsonl", "path": str(handed)}
    round, log = opened(workspace.root.parent, 1, ingest={"sources": [source]}), Logged()
    ingest(round, log)
    assert (log.metrics["new"], log.metrics["repeated"], log.metrics["quarantined"]) == (0, 2, 0)
    assert [event.annotator_id for event in effective(store.events(workspace.feedback))] == ["eve"]


def test_a_source_with_trust_may_state_ids_and_supersede(workspace: Workspace) -> None:
    records = [BO | {"feedback_id": "a"}, GOOD | {"feedback_id": "b", "annotator_id": "eve", "supersedes": "a"}]
    source = {"use": "jsonl", "path": str(lines(workspace.root.parent / "s.jsonl", *records)), "trust": True}
    ingest(opened(workspace.root.parent, 1, ingest={"sources": [source]}), Logged())
    assert {event.feedback_id for event in store.events(workspace.feedback)} == {"a", "b"}
    assert [event.feedback_id for event in effective(store.events(workspace.feedback))] == ["b"]


def test_nobody_outside_puts_the_prompt_of_another_into_the_holdout(workspace: Workspace) -> None:
    """Neither by the group of a held-out prompt, nor by being the first to have the prompt."""
    dropped(workspace, "claims.jsonl", GOOD | {"prompt_group": "held-out", "split": "holdout"})
    event = vote("1", question="Is it far?").model_copy(update={"prompt_group": "held-out", "split": "holdout"})
    receive(workspace, [event], "eve")
    assert imported(workspace, BO | {"source_id": "3", "prompt": "When?", "prompt_group": "held-out"}).ignored
    next_round(workspace)
    stored = store.events(workspace.feedback)
    assert len(stored) == 3
    assert all((event.prompt_group, event.split) == (event.prompt_id, None) for event in stored)


def test_what_a_forgotten_annotator_gave_is_left_out_of_a_file_from_outside_too(workspace: Workspace) -> None:
    tombstones.add(workspace, "bo", "cem", "asked", (), ())
    dropped(workspace, "by-hand.jsonl", BO, BO | {"annotator_id": "ana", "prompt": "Is it far?"})
    assert len(intake.inbox_events(workspace)) == 1
    round, log = opened(workspace.root.parent, 1, ingest={"sources": []}), Logged()
    ingest(replace(round, inbox=("by-hand.jsonl",), forgotten=tombstones.forgotten(workspace)), log)
    assert log.metrics["new"] == 1


def test_a_file_that_was_imported_stays_so_when_records_are_erased(workspace: Workspace) -> None:
    imported(workspace, BO, BO | {"annotator_id": "ana"})
    before = receipts.valid(workspace)
    [file] = inbox.files(workspace)
    lines(file, BO)
    assert receipts.valid(workspace) == {}
    receipts.renew(workspace, before)
    assert levels(workspace) == [Trust.OPERATOR]
    assert [event.annotator_id for event in intake.inbox_events(workspace)] == ["bo"]


def test_one_unreadable_file_from_outside_stops_nothing(workspace: Workspace, tmp_path: Path) -> None:
    workspace.inbox.mkdir(parents=True, exist_ok=True)
    (workspace.inbox / "deep.jsonl").write_text("[" * 100_000)
    (workspace.inbox / "link.jsonl").symlink_to("/etc/passwd")
    good = tmp_path / "good.jsonl"
    good.write_text('{"prompt": "p", "chosen": "a", "rejected": "b"}\n')
    assert hand_in(workspace, [good]).new == 1
    assert intake.new_records(workspace) == 1
    assert [file.name for file in inbox.unread(workspace)] == ["link.jsonl"]
    [rejected] = [
        record
        for source in inbox.sources(workspace)
        for record in source.read(Intake(round=0, seed=0))
        if isinstance(record, RejectedRecord)
    ]
    assert (rejected.where, "root:" in rejected.reason) == ("deep.jsonl", False)


def messages_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of receipts; a thread of an earlier test may say something else."""
    return [record.getMessage() for record in caplog.records if record.name == "tasks.state.receipts"]


def test_with_lost_receipts_no_file_counts_as_imported(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    imported(workspace, BO)
    [file] = inbox.files(workspace)
    forged = lines(workspace.root.parent / "x.jsonl", BO | {"annotator_id": "ana"})
    forged.rename(workspace.inbox / f"{digest(forged)[:16]}.jsonl")
    workspace.inbox_receipts.unlink()
    assert levels(workspace) == [Trust.OUTSIDE, Trust.OUTSIDE]
    at(workspace.root)
    [warning] = messages_of(caplog)
    assert [fact for fact in ("inbox.receipts", "2 files", file.name, "import them again") if fact not in warning] == []
    assert levels(workspace) == [Trust.OUTSIDE, Trust.OUTSIDE], "and it stays so"
    at(workspace.root)
    assert messages_of(caplog) == [warning], "said once"


ANSWERED = {
    "kind": "binary",
    "prompt": "Is it open?",
    "responses": [{"messages": "Go away.", "model": "policy", "model_version": "7"}],
    "judgements": [{"scores": [0]}],
}


def test_nobody_outside_attributes_an_answer_to_a_version(workspace: Workspace) -> None:
    dropped(workspace, "by-hand.jsonl", ANSWERED)
    event = next(iter(intake.inbox_events(workspace)))
    receive(workspace, [canonical.event(ANSWERED, {"source": "chat", "source_id": "1"})], "eve")
    assert live.opinions(intake.waiting_events(workspace)) == []
    assert event.extra["ignored_fields"] == {"responses.model": ["policy"], "responses.model_version": ["7"]}
    next_round(workspace)
    stored = store.events(workspace.feedback)
    assert [response.model_version for event in stored for response in event.responses] == [None, None]


def test_an_operator_and_a_service_that_answered_do(workspace: Workspace) -> None:
    imported(workspace, ANSWERED)
    received = canonical.event(ANSWERED | {"prompt": "Is it late?"}, {"source": "chat", "source_id": "1"})
    receive(workspace, [received], "eve", attributed=True)
    assert [opinion.version for opinion in live.opinions(intake.waiting_events(workspace))] == ["7", "7"]
