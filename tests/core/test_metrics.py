"""Metric declarations: dictionary keys that carry a definition."""

import importlib
import json
import pickle
import pkgutil
from pathlib import Path

import pytest

from core.metrics import INTERVAL, Metric, declared
from tasks.state.steps import STEPS

ROOT = Path(__file__).parents[2]
PACKAGES = ("core", "feedback", "models", "evaluation", "tasks")

RATE = Metric("win_rate", "evaluate", "share", "above .5", "Votes for it.", ends=(*INTERVAL, "_p"), rare=True)


def everywhere() -> dict[str, Metric]:
    """Every metric that a module of the project declares, by its full name."""
    roots = [importlib.import_module(name) for name in PACKAGES]
    names = [module.name for root in roots for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}.")]
    metrics = [metric for name in names for metric in declared(importlib.import_module(name))]
    return {metric.full: metric for metric in metrics}


def test_a_metric_is_its_name() -> None:
    assert {RATE: 0.6} == {"win_rate": 0.6}
    assert json.loads(json.dumps({RATE: RATE})) == {"win_rate": "win_rate"}
    assert type(pickle.loads(pickle.dumps(RATE))) is str
    assert (RATE.full, f"{RATE}_low") == ("evaluate/win_rate", "win_rate_low")


def test_an_entry_has_names_unit_direction_and_definition() -> None:
    assert RATE.entry() == "- `evaluate/win_rate`, `_low`, `_high`, `_p` † (share; above .5). Votes for it."


def test_a_family_of_metrics() -> None:
    family = Metric("criterion_<name>_votes", "evaluate", "votes", "up", "Fresh votes under it.")
    assert (family.prefix, family.of("polite")) == ("criterion_", "criterion_polite_votes")
    assert family.includes("criterion_polite_votes")
    assert not family.includes("win_rate")
    assert RATE.includes("win_rate")
    assert not RATE.includes("win_rate_of_another")


SHARES = ("share", "ratio")


def named_unit(metric: Metric, units: set[str]) -> str:
    """The unit that the definition begins with: a counted noun, `Share of …` or `Ratio of …`; else the declared one."""
    noun = metric.definition.split()[0].strip(",.:").casefold()
    counted = noun in units and metric.unit not in SHARES
    return noun if counted or noun in SHARES else metric.unit


def test_a_unit_that_contradicts_the_definition_is_found() -> None:
    units = {"votes", "pairs", "share"}
    assert named_unit(Metric("abstained", "curate", "pairs", "down", "Votes that abstain."), units) == "votes"
    assert named_unit(Metric("kept", "evaluate", "share", "near 1", "Ratio of word pairs."), units) == "ratio"
    assert named_unit(Metric("left", "evaluate", "share", ".5", "Votes with it on the left."), units) == "share"


@pytest.mark.filterwarnings("ignore")  # warnings of imported packages
def test_a_unit_is_the_one_that_the_definition_begins_with() -> None:
    known = everywhere()
    units = {metric.unit for metric in known.values()}
    assert {name: named_unit(metric, units) for name, metric in known.items()} == {
        name: metric.unit for name, metric in known.items()
    }


@pytest.mark.filterwarnings("ignore")  # warnings of imported packages
def test_every_metric_is_declared_once_under_a_step_and_is_on_the_page() -> None:
    page, known = (ROOT / "docs/metrics.md").read_text(encoding="utf-8"), everywhere()
    assert {metric.step for metric in known.values()} <= {*STEPS, "cost", "blame"}
    lines = page.splitlines()
    for name in known:
        assert sum(line.startswith(f"- `{name}`") for line in lines) == 1, name
