"""The figures of the campaign, computed by hand; no rounds are run here."""

from pathlib import Path

import pytest

from benchmarks.campaign import FAULTS, campaign, outcomes, plot, table
from core.errors import BadParams
from core.files import write_json
from tasks.rounds import opening
from tests.workspaces import Furnish


def stored(number: int, gain: float, verdict: str, *against: str) -> dict[str, object]:
    """A finished round whose true gain has an interval of ± .1."""
    numbers = {"true_gain": gain, "true_gain_low": gain - 0.1, "true_gain_high": gain + 0.1}
    numbers |= {"win_rate": 0.5 + gain / 5}
    findings = [{"gate": "cost", "result": "promote"}, *({"gate": gate, "result": verdict} for gate in against)]
    metrics = {"sample/prompts": 512.0} | {f"evaluate/{name}": number for name, number in numbers.items()}
    return {"round": number, "verdict": {"result": verdict, "findings": findings}, "metrics": metrics}


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    good = [
        [stored(1, 0.9, "promote"), stored(2, 0.3, "hold", "win_rate")],
        [stored(1, 0.8, "promote"), stored(2, -0.2, "promote")],
    ]
    for seed, rounds in enumerate(good):
        write_json(tmp_path / f"seed-{seed}" / "good.json", rounds)
        write_json(tmp_path / f"seed-{seed}" / "poison-3-%.json", [stored(3, 0.0, "reject", "safety", "annotators")])
    write_json(tmp_path / "seed-0" / "reward-hacking.json", [stored(3, -1.0, "promote")])
    return tmp_path


def test_the_figures_by_hand(seeds: Path) -> None:
    lines = table(outcomes(seeds)).splitlines()
    # of four promotions, one of seed 1 and the hacked one made things worse
    assert "| promotions that lower the true utility | ≤ 5 % | 2 of 4: 50.0% (15.0% to 85.0%) |" in lines
    # of three candidates that were better under good settings, one was held
    assert "| good candidates refused, under good settings | ≤ 20 % | 1 of 3: 33.3% (6.1% to 79.2%) |" in lines
    assert "| poison 3 % held | all | 2 of 2, by annotators, safety |" in lines
    assert "| reward hacking held | all | 0 of 1, by none |" in lines
    assert "| reversed annotator held | all | 0 of 0, by none |" in lines
    assert "| 1 | +0.85 | 2 of 2 | 2 | 0 |" in lines
    assert "| 2 | +0.05 | 1 of 2 | 1 | 1 |" in lines
    assert "| good | 0 | 2 | +0.30 (+0.20 to +0.40) | 56.0% | hold | win_rate |" in lines


def test_a_round_has_its_code_if_it_was_recorded(tmp_path: Path) -> None:
    rounds = [stored(1, 0.9, "promote"), stored(2, 0.9, "promote") | {"code": "7a4f (commit b4beba4)"}]
    write_json(tmp_path / "seed-0" / "good.json", rounds)
    assert [outcome.code for outcome in outcomes(tmp_path)] == ["not recorded", "7a4f (commit b4beba4)"]


def test_every_candidate_is_a_point(seeds: Path) -> None:
    assert len(plot(outcomes(seeds)).axes[0].containers) == 7


def test_what_is_finished_is_not_run_again(seeds: Path) -> None:
    for fault in FAULTS:
        write_json(seeds / "seed-0" / f"{fault.replace(' ', '-')}.json", [])
    campaign(seeds / "seed-0", 0, 2)  # there is no workspace in which a round could run
    assert not (seeds / "seed-0" / "workspace").exists()


def test_another_number_of_rounds_needs_another_folder(seeds: Path) -> None:
    with pytest.raises(BadParams, match="another number of rounds"):
        campaign(seeds / "seed-0", 0, 3)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_planted_settings_are_settings(fault: str, furnish: Furnish, tmp_path: Path) -> None:
    opening.effective(furnish(tmp_path / "workspace"), FAULTS[fault])
