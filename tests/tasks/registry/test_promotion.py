from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from evaluation.verdict import Finding, Verdict
from tasks.registry import promotion
from tasks.registry.alias import Registry
from tasks.registry.promotion import PromotionSettings
from tasks.state.inputs import Champion
from tasks.state.round import Round
from tests.tasks.registry.test_registry import champion, with_champion_2

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

PROMOTE = Verdict(findings=(Finding(gate="win_rate", result="promote", reason="it won"),))


@dataclass
class ClosingRound:
    """The parts of a closing round that a promotion reads."""

    champion: Champion
    cooldown: float = 0.0

    def knobs(self, section: str, model: type[PromotionSettings]) -> PromotionSettings:
        return model(cooldown=self.cooldown)


def carried_out(registry: Registry, expect: str, verdict: Verdict, cooldown: float = 0.0) -> Verdict:
    """The final verdict on version 3, which was compared with `expect`."""
    version = registry.version("3")
    registry.mark(version, {"verdict": verdict.result})
    round = cast(Round, ClosingRound(Champion(version=expect, digest=""), cooldown))
    return promotion.carry_out(round, registry, registry.version("3"), verdict)


def test_a_verdict_of_promote_is_carried_out(home: Path) -> None:
    registry = with_champion_2(home)
    assert carried_out(registry, "2", PROMOTE) == PROMOTE
    assert champion(registry) == "3"
    assert carried_out(registry, "2", PROMOTE) == PROMOTE  # once more, after a kill


def test_any_other_verdict_moves_nothing(home: Path) -> None:
    registry = with_champion_2(home)
    hold = Verdict()
    assert carried_out(registry, "2", hold) == hold
    assert champion(registry) == "2"


def test_a_champion_that_changed_meanwhile_holds_the_candidate(home: Path) -> None:
    registry = with_champion_2(home)
    registry.rollback(None, "rude", "watch")
    held = carried_out(registry, "2", PROMOTE)
    assert [finding.result for finding in held.findings] == ["promote", "hold"]
    assert "expected 2" in held.findings[-1].reason
    assert (held.result, registry.version("3").tags["verdict"], champion(registry)) == ("hold", "hold", "1")


def test_a_candidate_held_by_a_cooldown_is_promoted_when_the_round_continues_after_it(home: Path) -> None:
    registry = with_champion_2(home)
    registry.rollback(None, "rude", "ana")
    assert carried_out(registry, "1", PROMOTE, cooldown=3600).result == "hold"
    assert carried_out(registry, "1", PROMOTE, cooldown=0).result == "promote"
    assert (registry.version("3").tags["verdict"], champion(registry)) == ("promote", "3")
