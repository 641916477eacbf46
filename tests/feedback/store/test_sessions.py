"""Sessions: found by their token, and ended by logging out, by time, and by what happens to keys."""

from datetime import timedelta

from feedback.store import keys, sessions
from feedback.store.database import Database
from feedback.store.keys import KeyRole
from tests.feedback.store.late import NOW


def test_a_session_is_found_by_its_token_which_is_not_stored(db: Database) -> None:
    record = keys.check(db, keys.make(db, "ana", "annotator", NOW))
    token = sessions.begin(db, record, "ana", NOW)
    assert sessions.find(db, token, NOW) == ("ana", "annotator")
    assert sessions.find(db, f"{token}x", NOW) is None
    rows = db.read(lambda connection: connection.exec_driver_sql("select * from feedback_sessions").all())
    assert token not in str(rows)


def test_logging_out_ends_one_session(db: Database) -> None:
    first, second = (sessions.begin(db, None, name, NOW) for name in ("ana", "bo"))
    sessions.end(db, first)
    sessions.end(db, first)
    assert (sessions.find(db, first, NOW), sessions.find(db, second, NOW)) == (None, ("bo", None))


def test_a_session_ends_with_its_time_and_is_removed_when_another_begins(db: Database) -> None:
    token = sessions.begin(db, None, "ana", NOW)
    assert sessions.find(db, token, NOW + sessions.LIFE - timedelta(seconds=1)) is not None
    assert sessions.find(db, token, NOW + sessions.LIFE) is None
    sessions.begin(db, None, "bo", NOW + sessions.LIFE)
    rows = db.read(lambda connection: connection.exec_driver_sql("select person from feedback_sessions").all())
    assert [tuple(row) for row in rows] == [("bo",)]


def test_a_revoked_key_ends_its_sessions_and_no_others(db: Database) -> None:
    tokens = {}
    roles: dict[str, KeyRole] = {"ana": "annotator", "boss": "operator"}
    for name, role in roles.items():
        tokens[name] = sessions.begin(db, keys.check(db, keys.make(db, name, role, NOW)), name, NOW)
    keys.revoke(db, "ana", NOW)
    assert sessions.find(db, tokens["ana"], NOW) is None
    assert sessions.find(db, tokens["boss"], NOW) == ("boss", "operator")


def test_the_first_key_ends_the_sessions_that_were_begun_without_one(db: Database) -> None:
    token = sessions.begin(db, None, "ana", NOW)
    keys.make(db, "boss", "operator", NOW)
    assert sessions.find(db, token, NOW) is None


def test_the_sessions_of_a_person_are_erased_with_and_without_a_key(db: Database) -> None:
    boss = keys.check(db, keys.make(db, "boss", "operator", NOW))
    tokens = [sessions.begin(db, None, name, NOW) for name in ("ana", "local:ana", "bo")]
    ours = sessions.begin(db, boss, "ana", NOW), sessions.begin(db, boss, "local:ana", NOW)
    assert sessions.erase(db, "local:ana", write=False) == 2
    assert sessions.erase(db, "local:ana", write=True) == 2
    assert (sessions.find(db, ours[0], NOW), sessions.find(db, ours[1], NOW)) == (("ana", "operator"), None)
    assert sessions.erase(db, "ana", write=True) == 1
    rows = db.read(lambda connection: connection.exec_driver_sql("select person from feedback_sessions").all())
    assert sorted(row[0] for row in rows) == ["bo", "local:ana"]
    assert sessions.find(db, tokens[0], NOW) is None
    assert sessions.erase(db, "ana", write=True) == 0
