"""Model card and data card of a registered version, as Markdown (Mitchell et al. 2019; Gebru et al. 2021).

Every number and every sentence about numbers comes from the records of the round. The card states what is missing from
them, such as the intended use of the model.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from core.metrics import declared
from evaluation.drift.report import DriftReport
from evaluation.evals import adversarial, reward_model
from evaluation.evals.adversarial import ADVERSARIAL_ACCURACY, TRAP
from evaluation.evals.red_team import ATTACK, RED_TEAM_SUCCESS
from evaluation.evals.reward_model import HOLDOUT_EQUAL_AFTER_CUT, JUDGE_ACCURACY, REWARD_ACCURACY
from evaluation.evals.safety import SAFETY_WIN_RATE
from evaluation.evals.slices import SLICE, VOTERS
from evaluation.evals.votes import CRITERION, WIN_RATE
from evaluation.verdict import Verdict
from models import adapters
from models.adapters import AdapterFacts
from tasks.pages.cards import limits
from tasks.pages.cost import sentence
from tasks.pages.markdown import SafeMarkdown, render
from tasks.registry.versions import ModelVersion
from tasks.state import round as rounds
from tasks.state.cost import RoundCost
from tasks.state.inputs import Inputs
from tasks.state.opening_facts import OpeningFacts
from tasks.state.reports import CurateReport, EvaluateReport
from tasks.state.workspace import Workspace

TEMPLATES = Path(__file__).parent

MAX_DESCRIPTION = 5000
"""How many characters of a version's description MLflow stores."""

ABOUT_REWARD = [
    metric
    for metric in (*declared(reward_model), *declared(adversarial))
    if metric not in (JUDGE_ACCURACY, HOLDOUT_EQUAL_AFTER_CUT)
]
"""The metrics about the reward model."""

HEADLINES = (WIN_RATE, SAFETY_WIN_RATE, REWARD_ACCURACY, ADVERSARIAL_ACCURACY, RED_TEAM_SUCCESS)
"""The metrics in the card's machine-readable header; the card shows all."""

PARTS = tuple(metric.prefix for metric in (SLICE, VOTERS, CRITERION, TRAP, ATTACK))
"""Prefixes of metrics that are measured on a part of the data only."""


class CardFacts(NamedTuple):
    """The records of a version that its card is made from."""

    version: ModelVersion
    reward_version: str | None
    """The reward model that a policy was trained against."""
    inputs: Inputs
    opened: OpeningFacts
    curate: CurateReport
    evaluate: EvaluateReport | None
    """None for the first model, as is `drift`."""
    drift: DriftReport | None
    metrics: Mapping[str, float]
    """By full name, with their step."""
    outputs: Mapping[str, Mapping[str, str]]
    """Step → path → MD5 of the output."""

    verdict: Verdict | None = None
    """The final verdict, after approval and cooldown; None for the first model, which has none."""

    adapter: AdapterFacts | None = None
    """How the model was made, if it is an adapter of its base."""

    cost: RoundCost | None = None
    """What the round used that made the model."""

    def about(self, name: str) -> bool:
        """Whether a metric is about this model."""
        return self.version.name == "policy" or any(metric.includes(name) for metric in ABOUT_REWARD)


class MeasuredNumber(NamedTuple):
    """A metric with the confidence interval or p-value that was reported with it."""

    name: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    rows: float | None
    """The number of votes it is based on, if reported."""


def gather(
    workspace: Workspace, version: ModelVersion, metrics: Mapping[str, float], outputs: Mapping[str, Mapping[str, str]]
) -> CardFacts:
    """Read the records of a version that the current round has just registered.

    Reports of steps that the round did not run are left out: in round 0 they may be those of a discarded round.
    """
    inputs = rounds.inputs(workspace)
    steps = {name.partition("/")[0] for name in metrics} if inputs.number else set()
    return CardFacts(
        version,
        version.tags.get("reward_version"),
        inputs,
        rounds.circumstances(workspace),
        CurateReport.load(workspace.report("curate")),
        EvaluateReport.load(workspace.report("evaluate")) if "evaluate" in steps else None,
        DriftReport.load(workspace.report("drift")) if "drift" in steps else None,
        metrics,
        outputs,
        adapter=_adapter(workspace, version),
    )


def _adapter(workspace: Workspace, version: ModelVersion) -> AdapterFacts | None:
    """What the files say from which the version was registered; see `tasks.rounds.closing`."""
    bootstrap = version.tags.get("bootstrap") == "true"
    folder = workspace.checkpoint("sft" if bootstrap else version.name)
    return adapters.read(folder) if adapters.is_adapter(folder) else None


def model_card(facts: CardFacts) -> str:
    """The model card, with the header that Hugging Face's hub reads."""
    whole, parts = _measured(facts)
    return render(
        TEMPLATES / "model.md.jinja",
        header=SafeMarkdown(yaml.safe_dump(_header(facts, whole), sort_keys=False, allow_unicode=True)),
        facts=facts,
        version=facts.version,
        limits=limits.limits(facts),
        whole=whole,
        parts=parts,
        examples=facts.evaluate.examples if facts.evaluate and facts.version.name == "policy" else (),
        curate=facts.curate,
        cost=sentence(facts.cost, facts.metrics) if facts.cost else "",
    )


def data_card(facts: CardFacts) -> str:
    """The data card: the training and evaluation data of this round, by source, kind, licence and part."""
    return render(TEMPLATES / "data.md.jinja", facts=facts, version=facts.version, curate=facts.curate)


def short(card: str, where: str) -> str:
    """The card without its header, cut between two sections so that it fits a description in MLflow.

    Args:
        card: the complete card.
        where: where the complete card is, for the last sentence.
    """
    _, _, body = re.split(r"(?m)^---$", card, maxsplit=2)
    ending = f"\n\nThe whole card: {where}."
    shown = ""
    for section in re.split(r"(?m)^(?=## )", body.strip()):
        if len(shown) + len(section) + len(ending) > MAX_DESCRIPTION:
            break
        shown += section
    return shown.strip() + ending


def _header(facts: CardFacts, whole: list[MeasuredNumber]) -> dict[str, Any]:
    """Metadata of the card, in the format of the Hugging Face hub."""
    version, base = facts.version, facts.inputs.base.name
    task = "text-generation" if version.name == "policy" else "text-classification"
    results = {
        "task": {"type": task},
        "dataset": {"name": f"held out in round {version.round}", "type": "rounds"},
        "metrics": [
            {"type": metric.name, "value": round(metric.value, 6)} for metric in whole if metric.name in HEADLINES
        ],
    }
    return {
        "library_name": "transformers",
        "pipeline_tag": task,
        **({} if base == "scratch" else {"base_model": base}),
        "tags": ["rlhf", "reward-model"] if version.name == "reward" else ["rlhf"],
        "model-index": [{"name": f"{version.name}-{version.version}", "results": [results] if whole else []}],
    }


def _measured(facts: CardFacts) -> tuple[list[MeasuredNumber], list[MeasuredNumber]]:
    """The model's metrics that have an interval or a p-value: those on all data, then those on parts."""
    measured = [metric for metric in _intervals(facts.metrics) if facts.about(metric.name)]
    parts = [metric for metric in measured if metric.name.startswith(PARTS)]
    return [metric for metric in measured if metric not in parts], parts


def _intervals(metrics: Mapping[str, float]) -> Iterator[MeasuredNumber]:
    names = {name.removeprefix("evaluate/"): value for name, value in metrics.items() if name.startswith("evaluate/")}
    for name, value in names.items():
        low, high, p = (names.get(f"{name}_{end}") for end in ("low", "high", "p"))
        if low is not None or p is not None:
            yield MeasuredNumber(name, value, low, high, p, names.get(f"{name}_votes"))
