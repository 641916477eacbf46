from core.nested import changed, flat


def test_changed_names_have_both_values_in_order() -> None:
    assert list(changed({"b": 1, "a": 2, "same": 3}, {"same": 3, "a": 4, "new": 5}).items()) == [
        ("b", [1, None]),
        ("a", [2, 4]),
        ("new", [None, 5]),
    ]


def test_flat_names_are_dotted_and_an_empty_group_stays() -> None:
    assert flat({"policy": {"kl": {"target": 6}, "gates": {}}, "seed": 1}) == {
        "policy.kl.target": 6,
        "policy.gates": {},
        "seed": 1,
    }
