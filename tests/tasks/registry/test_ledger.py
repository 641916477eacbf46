from tasks.registry.audit import AuditEntry
from tasks.registry.ledger import Ledger, ledger


def read(*lines: tuple[str, dict[str, object]]) -> Ledger:
    return ledger(
        AuditEntry(seq, f"2026-11-30T00:00:{seq:02}", event, "ana", facts, "")
        for seq, (event, facts) in enumerate(lines, 1)
    )


def registration(version: str, digest: str, **facts: object) -> tuple[str, dict[str, object]]:
    return "register", {"model": "policy", "version": version, "digest": digest, **facts}


def move(event: str, left: str, now: str, **facts: object) -> tuple[str, dict[str, object]]:
    return event, {"model": "policy", "left": left, "now": now, **facts}


def test_a_registration_vouches_for_a_digest_and_keeps_the_verdict_and_the_reward_model() -> None:
    log = read(registration("1", "aa", verdict="reject", reward_version="4", key="k"))
    version = log.versions["policy", "1"]
    assert (log.digest("policy", "1"), version.reward_version, version.key, version.registered) == (
        "aa",
        "4",
        "k",
        True,
    )
    assert (log.rejected("1"), log.rejected("2"), log.digest("reward", "1")) == (True, False, None)


def test_a_move_of_an_older_release_vouches_unless_its_digest_came_from_elsewhere() -> None:
    log = read(move("bootstrap", "", "1", digest="aa"), move("promote", "1", "2", digest="bb", digest_from="tag"))
    assert (log.digest("policy", "1"), log.digest("policy", "2")) == ("aa", None)
    assert not log.versions["policy", "1"].registered


def test_moves_give_champions_predecessors_and_marks() -> None:
    log = read(
        move("bootstrap", "", "1"),
        move("promote", "1", "2"),
        move("force", "2", "3", reason="mine"),
        move("rollback", "3", "2", reason="rude"),
        move("found", "2", "5"),
    )
    assert (list(log.champions), log.current) == (["1", "3", "2", "5"], "5")
    assert (log.predecessors, log.found_after) == ({"1": "", "2": "1", "3": "2"}, {"5": "2"})
    assert (log.rolled_back, log.forced) == ({"3": "rude"}, {"3": "mine"})
    assert read(move("rollback", "3", "2"), move("force", "2", "3")).rolled_back == {}


def test_a_number_that_was_registered_twice_is_known_and_can_be_given_up() -> None:
    lines = (registration("1", "aa"), move("bootstrap", "", "1"), registration("1", "bb"))
    assert [(old.digest, new.digest) for old, new in read(*lines).reused] == [("aa", "bb")]
    assert read(*lines).champions == {}  # the first one was champion, the second was not
    given_up = read(*lines, ("accept", {"differences": ["missing:policy/1"], "gone": ["policy/1"]}))
    assert (given_up.versions, given_up.reused, given_up.champions) == ({}, [], {})
    assert given_up.accepted == {"missing:policy/1"}
    again = read(*lines, ("gc", {"differences": ["missing:policy/1"], "gone": ["policy/1"]}), registration("1", "cc"))
    assert (again.digest("policy", "1"), again.accepted) == ("cc", set())


def test_lines_with_fields_of_wrong_types_are_left_out() -> None:
    log = read(
        ("accept", {"differences": 3}), ("accept", {"gone": [7]}), move("promote", "", "2"), ("drop", {"key": "k"})
    )
    assert (list(log.champions), log.dropped) == (["2"], {"k"})
