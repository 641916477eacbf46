from collections import Counter

import pytest

from feedback.label_roles import hashed, role


@pytest.mark.parametrize(("gold", "repeats", "expected"), [(0.1, 0, 100), (0.07, 0, 71), (0, 0.5, 500), (0, 0, 0)])
def test_one_task_in_every_block_is_drawn(gold: float, repeats: float, expected: int) -> None:
    """Of 1,000 tasks: a block of 10, of 14 (71 whole blocks, and 6 tasks more), of 2, and none."""
    drawn = sum(role("key", number, gold, repeats) != "ordinary" for number in range(1000))
    assert expected <= drawn <= expected + 1


def test_places_change_between_blocks_and_between_people() -> None:
    places = Counter(number % 10 for number in range(1000) if role("ana", number, 0.1, 0) == "gold")
    assert len(places) == 10
    ana, bob = ([role(name, number, 0.1, 0) for number in range(1000)] for name in ("ana", "bob"))
    assert ana != bob
    assert ana == [role("ana", number, 0.1, 0) for number in range(1000)]


def test_gold_goes_before_repeats() -> None:
    roles = [role("key", number, 0.5, 0.5) for number in range(1000)]
    assert roles.count("gold") == 500
    assert 200 < roles.count("repeat") < 300, "half of the 500 fall on gold"


def test_a_hash_is_a_number_of_64_bits() -> None:
    assert hashed("a") == int("ca978112ca1bbdca", 16)  # the first 8 bytes of the SHA-256 of "a"
