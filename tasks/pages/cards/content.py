"""Model card and data card of a registered version, as Markdown (Mitchell et al. 2019; Gebru et al. 2021).

Every number and every sentence about numbers comes from the records of the round. What a round cannot know, such as
what the model is to be used for, the card says is missing.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from evaluation.drift.report import DriftReport
from evaluation.evals.adversarial import ADVERSARIAL_ACCURACY, TRAP
from evaluation.evals.red_team import ATTACK, RED_TEAM_SUCCESS
from evaluation.evals.reward_model import REWARD_ACCURACY
from evaluation.evals.safety import SAFETY_WIN_RATE
from evaluation.evals.slices import SLICE, VOTERS
from evaluation.evals.votes import CRITERION, WIN_RATE
from evaluation.verdict import Verdict
from tasks.pages.cards import limits
from tasks.pages.markdown import SafeMarkdown, render
from tasks.registry.versions import ModelVersion
from tasks.state import round as rounds
from tasks.state.inputs import Inputs
from tasks.state.opened import Opened
from tasks.state.reports import CurateReport, EvaluateReport
from tasks.state.workspace import Workspace

HERE = Path(__file__).parent

LONGEST = 5000
"""Characters that MLflow keeps of a version's description."""

OF_REWARD = re.compile(r"(champion_)?(reward(?!_gain)|adversarial|trap_|words_|longer_)")
"""Names of what is measured about the reward model."""

HEADLINES = (WIN_RATE, SAFETY_WIN_RATE, REWARD_ACCURACY, ADVERSARIAL_ACCURACY, RED_TEAM_SUCCESS)
"""What the header of a card holds, for programs; the card holds the rest."""

BROKEN_DOWN = tuple(metric.prefix for metric in (SLICE, VOTERS, CRITERION, TRAP, ATTACK))
"""Names of what is measured of a part only."""


class CardFacts(NamedTuple):
    """What is known of a version, as the workspace and MLflow have it."""

    version: ModelVersion
    reward_version: str | None
    """The reward model that a policy was trained against."""
    inputs: Inputs
    opened: Opened
    curate: CurateReport
    evaluate: EvaluateReport | None
    """None of a first model, like the next."""
    drift: DriftReport | None
    metrics: Mapping[str, float]
    """names with their step"""
    outputs: Mapping[str, Mapping[str, str]]
    """step → path → hash"""

    verdict: Verdict | None = None
    """What became of the candidate, sign-off and cooldown included; None of a first model, which has no verdict."""

    def about(self, name: str) -> bool:
        """Whether a metric says something of this model."""
        return self.version.name == "policy" or OF_REWARD.match(name) is not None


class MeasuredNumber(NamedTuple):
    """A number, and the interval or the p-value that was reported with it."""

    name: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    rows: float | None
    """how many votes it rests on, where that was reported"""


def gather(
    workspace: Workspace, version: ModelVersion, metrics: Mapping[str, float], outputs: Mapping[str, Mapping[str, str]]
) -> CardFacts:
    """What the workspace knows of a version that its last round has just registered.

    Reports of steps that the round did not take are left out: round 0 may find those of a round that was dropped.
    """
    inputs = rounds.inputs(workspace)
    taken = {name.partition("/")[0] for name in metrics} if inputs.number else set()
    return CardFacts(
        version,
        version.tags.get("reward_version"),
        inputs,
        rounds.circumstances(workspace),
        CurateReport.load(workspace.report("curate")),
        EvaluateReport.load(workspace.report("evaluate")) if "evaluate" in taken else None,
        DriftReport.load(workspace.report("drift")) if "drift" in taken else None,
        metrics,
        outputs,
    )


def model_card(facts: CardFacts) -> str:
    """The model card, with the header that Hugging Face's hub reads."""
    whole, parts = _measured(facts)
    return render(
        HERE / "model.md.jinja",
        header=SafeMarkdown(yaml.safe_dump(_header(facts, whole), sort_keys=False, allow_unicode=True)),
        facts=facts,
        version=facts.version,
        limits=limits.limits(facts),
        whole=whole,
        parts=parts,
        examples=facts.evaluate.examples if facts.evaluate and facts.version.name == "policy" else (),
        curate=facts.curate,
    )


def data_card(facts: CardFacts) -> str:
    """The data card: what models of this round learned from, by source, kind, licence and part."""
    return render(HERE / "data.md.jinja", facts=facts, version=facts.version, curate=facts.curate)


def short(card: str, where: str) -> str:
    """As much of a card as fits a description in MLflow: without its header, cut between two sections.

    Args:
        card: the card.
        where: where the whole card is; the last sentence says so.
    """
    _, _, body = card.split("---\n", 2)
    ending = f"\n\nThe whole card: {where}."
    shown = ""
    for section in re.split(r"(?m)^(?=## )", body.strip()):
        if len(shown) + len(section) + len(ending) > LONGEST:
            break
        shown += section
    return shown.strip() + ending


def _header(facts: CardFacts, whole: list[MeasuredNumber]) -> dict[str, Any]:
    """Metadata of the card, in the words of the Hugging Face hub."""
    version, base = facts.version, facts.inputs.base.name
    task = "text-generation" if version.name == "policy" else "text-classification"
    results = {
        "task": {"type": task},
        "dataset": {"name": f"held out in round {version.round}", "type": "rounds"},
        "metrics": [{"type": one.name, "value": round(one.value, 6)} for one in whole if one.name in HEADLINES],
    }
    return {
        "library_name": "transformers",
        "pipeline_tag": task,
        **({} if base == "scratch" else {"base_model": base}),
        "tags": ["rlhf", "reward-model"] if version.name == "reward" else ["rlhf"],
        "model-index": [{"name": f"{version.name}-{version.version}", "results": [results] if whole else []}],
    }


def _measured(facts: CardFacts) -> tuple[list[MeasuredNumber], list[MeasuredNumber]]:
    """What was measured of the model with an interval or a p-value: on the whole, and of parts."""
    found = [one for one in _intervals(facts.metrics) if facts.about(one.name)]
    parts = [one for one in found if one.name.startswith(BROKEN_DOWN)]
    return [one for one in found if one not in parts], parts


def _intervals(metrics: Mapping[str, float]) -> Iterator[MeasuredNumber]:
    names = {name.removeprefix("evaluate/"): value for name, value in metrics.items() if name.startswith("evaluate/")}
    for name, value in names.items():
        low, high, p = (names.get(f"{name}_{end}") for end in ("low", "high", "p"))
        if low is not None or p is not None:
            yield MeasuredNumber(name, value, low, high, p, names.get(f"{name}_votes"))
