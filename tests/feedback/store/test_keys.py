"""Keys: made once, found by what was printed, and revoked for ever."""

from datetime import timedelta

import pytest

from core.errors import BadParams, NotFound
from feedback.store import keys
from feedback.store.database import Database
from feedback.store.keys import KeyRole
from tests.feedback.store.late import NOW


def test_a_key_is_found_and_its_secret_is_not_stored(db: Database) -> None:
    assert not keys.exist(db)
    key = keys.make(db, "shop", "client", NOW)
    record = keys.check(db, key)
    assert record is not None
    assert (record.name, record.role, record.made_at, record.revoked_at) == ("shop", "client", NOW, None)
    assert keys.exist(db)
    rows = db.read(lambda connection: connection.exec_driver_sql("select * from feedback_keys").all())
    assert key.split("_", 2)[2] not in str(rows)


def test_two_keys_differ_and_only_the_whole_of_one_is_valid(db: Database) -> None:
    first, second = keys.make(db, "shop", "client", NOW), keys.make(db, "ana", "annotator", NOW)
    _, public, secret = first.split("_", 2)
    _, _, other = second.split("_", 2)
    for wrong in ("", "rounds", first[:-1], f"{first}x", f"rounds_{public}_{other}", f"rounds_{'0' * 12}_{secret}"):
        assert keys.check(db, wrong) is None


def test_a_revoked_key_is_refused_and_its_name_stays_taken(db: Database) -> None:
    key = keys.make(db, "shop", "client", NOW)
    keys.revoke(db, "shop", NOW)
    keys.revoke(db, "shop", NOW + timedelta(days=1))
    assert keys.check(db, key) is None
    assert [(record.name, record.revoked_at) for record in keys.every(db)] == [("shop", NOW)]
    assert keys.exist(db)
    with pytest.raises(BadParams, match="there is a key called shop already"):
        keys.make(db, "shop", "client", NOW)


def test_what_cannot_be_a_name_or_is_no_key(db: Database) -> None:
    keys.make(db, "shop", "client", NOW)
    for name in ("", "a b", "x" * 101, "-x", "a:b"):
        with pytest.raises(BadParams, match="a key cannot be called"):
            keys.make(db, name, "client", NOW)
    with pytest.raises(BadParams, match=r"a key cannot be called local: .* choose another name, such as local-app"):
        keys.make(db, "local", "client", NOW)
    with pytest.raises(NotFound, match="there is no key called bo; there are: shop"):
        keys.revoke(db, "bo", NOW)


def test_the_key_of_a_forgotten_annotator_is_revoked_and_loses_the_name(db: Database) -> None:
    roles: dict[str, KeyRole] = {"ana": "annotator", "shop": "client"}
    made = {name: keys.make(db, name, role, NOW) for name, role in roles.items()}
    assert [keys.erase(db, name, NOW, write=False) for name in ("ana", "shop", "bo")] == [1, 0, 0]
    assert [keys.erase(db, name, NOW, write=True) for name in ("ana", "shop", "ana")] == [1, 0, 0]
    assert (keys.check(db, made["ana"]), keys.check(db, made["shop"]) is None, keys.exist(db)) == (None, False, True)
    [gone] = [record for record in keys.every(db) if record.revoked_at]
    assert gone.name == f"forgotten-{gone.id}"
