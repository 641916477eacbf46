"""Differences are found without MLflow as with it, also by a round that has nothing new to learn from."""

import pytest

from core.errors import RoundsError
from tasks.registry.alias import Registry
from tasks.registry.consistency import Inconsistent, inspect
from tasks.registry.unloaded import differences
from tasks.rounds.request import answer
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.profile import PROMOTE, TINY
from tests.workspaces import settle

REQUEST = (*TINY, PROMOTE)


def delete_alias(registry: Registry) -> None:
    registry.store.delete_registered_model_alias("policy", "champion")


def delete_champion(registry: Registry) -> None:
    registry.store.delete_model_version("policy", "2")


@pytest.mark.parametrize("damage", [delete_alias, delete_champion])
def test_a_round_with_nothing_new_does_not_hide_that_its_champion_is_gone(
    rounds: Rounds, continued: Workspace, damage: object
) -> None:
    registry = Registry(continued.root)
    assert differences(continued) == inspect(continued, registry) == []
    record = answer(continued, REQUEST)
    assert record is not None
    assert record.number == 1
    assert callable(damage)
    damage(registry)
    assert differences(continued) == inspect(continued, Registry(continued.root))
    with pytest.raises(Inconsistent) as error:
        answer(continued, REQUEST)
    assert "policy@champion is unset" in str(error.value)
    asked = rounds("round", "-w", settle(continued, *REQUEST).root)
    assert (asked.code, "rounds promote" in asked.err, "Round 1" in asked.out) == (2, True, False)


def test_a_database_that_is_gone_is_named(continued: Workspace) -> None:
    continued.database.unlink()
    with pytest.raises(RoundsError, match="does not exist"):
        answer(continued, REQUEST)
