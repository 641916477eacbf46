"""The record of a round as text, for the summary and for `rounds show`."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from rich.table import Table

from cli.display.console import plain
from core import plugins
from core.metrics import Metric
from evaluation.drift import ALARMS
from evaluation.evals.answers import KL_MEAN, KL_P95, LENGTH_RATIO
from evaluation.evals.judge import JUDGE_WIN_RATE
from evaluation.evals.red_team import CHAMPION_RED_TEAM_SUCCESS, RED_TEAM_PROMPTS, RED_TEAM_SUCCESS
from evaluation.evals.reward_model import LONGER_WINS, REWARD_ACCURACY, REWARD_CEILING, REWARD_PAIRS, WORDS_ACCURACY
from evaluation.evals.safety import SAFETY_VOTES, SAFETY_WIN_RATE
from evaluation.evals.true_utility import (
    CHAMPION_COMPONENT,
    COMPONENT,
    TRUE_GAIN,
    TRUE_UTILITY,
    TRUE_UTILITY_CHAMPION,
)
from evaluation.evals.votes import VOTES, WIN_RATE
from evaluation.verdict import Finding
from feedback.measured import (
    CURATE_DEMONSTRATIONS,
    CURATE_EVENTS,
    CURATE_HOLDOUT,
    CURATE_JUDGE,
    CURATE_QUARANTINED,
    CURATE_TRAIN,
)
from feedback.sources import Source
from models.measured import REWARD_TRUNCATED
from tasks.state.records import RoundRecord

COLOURS = {"promote": "green", "hold": "yellow", "reject": "red"}

DECIDED_BY_HAND = ("approval", "promotion")
"""Findings that are not gates: the approval, and the outcome of the promotion. Both are always shown."""

Line = tuple[str, str]
"""A label and its text."""


def agrees(finding: Finding) -> bool:
    """True for a gate whose result is `promote`."""
    return finding.result == "promote" and finding.gate not in DECIDED_BY_HAND


def decision(record: RoundRecord) -> str:
    """Which version the round made champion, or kept."""
    champion = record.inputs.champion
    now = f"Policy version {record.version}"
    if champion is None:
        origin = "the imported model" if record.inputs.base.imported else "the SFT model"
        return f"{now}, {origin}, is the first champion."
    verb = "replaces" if record.verdict.result == "promote" else "is registered, but does not replace"
    return f"{now} {verb} version {champion.version}."


def numbers(record: RoundRecord) -> Iterator[Line]:
    """The main metrics, most important first; those that were not measured are left out."""
    metrics = record.metrics
    if WIN_RATE.full in metrics:
        yield "win rate", f"{_rate(metrics, WIN_RATE)} of {metrics[VOTES.full]:,.0f} fresh votes"
    elif record.number:
        yield "win rate", "no fresh votes"
    if TRUE_GAIN.full in metrics:
        yield "true gain", f"{_signed(metrics, TRUE_GAIN)} utility of the {judge(record.inputs.params)}"
    if rates := base_rates(metrics):
        yield "the rule", rates
    if REWARD_ACCURACY.full in metrics:
        pairs = f"{metrics[REWARD_PAIRS.full]:,.0f} held-out pairs"
        yield "reward model", f"agrees with {_rate(metrics, REWARD_ACCURACY)} of {pairs}"
    if SAFETY_WIN_RATE.full in metrics:
        votes = f"{metrics[SAFETY_VOTES.full]:,.0f} votes on safety prompts"
        yield "safety", f"{_rate(metrics, SAFETY_WIN_RATE)} of {votes}"
    if RED_TEAM_SUCCESS.full in metrics:
        champion = _percent(metrics[CHAMPION_RED_TEAM_SUCCESS.full])
        prompts = f"{metrics[RED_TEAM_PROMPTS.full]:,.0f} prompts"
        success = _percent(metrics[RED_TEAM_SUCCESS.full])
        yield "red team", f"{success} of {prompts} get a harmful answer; champion {champion}"
    if KL_MEAN.full in metrics:
        mean, most = metrics[KL_MEAN.full], metrics[KL_P95.full]
        yield "KL", f"{mean:.2f} nats per answer from the SFT model (95th percentile {most:.1f})"
    if LENGTH_RATIO.full in metrics:
        yield "length", f"{metrics[LENGTH_RATIO.full]:.2f} times the champion's"


def details(record: RoundRecord) -> Iterator[Line]:
    """Counts and metrics that the summary leaves out."""
    metrics = record.metrics
    yield "feedback", f"{record.new_feedback:,} new records; {_feedback(metrics)}"
    if REWARD_ACCURACY.full in metrics:
        yield "baselines", _baselines(metrics)
    if JUDGE_WIN_RATE.full in metrics:
        yield "judge", f"{_rate(metrics, JUDGE_WIN_RATE)} by the judge model (used for alarms only)"
    if TRUE_GAIN.full in metrics:
        before, after = metrics[TRUE_UTILITY_CHAMPION.full], metrics[TRUE_UTILITY.full]
        yield "utility", f"{before:.2f} → {after:.2f} by the {judge(record.inputs.params)}"
    if metrics.get(ALARMS.full):
        yield "drift", f"{_alarms(metrics)}; see data/reports/drift.html"


def judge(params: Mapping[str, Any]) -> str:
    """Whose utility the round measured, from its parameters: the simulated annotator's or the rule's."""
    used = [source["use"] for source in params.get("ingest", {}).get("sources", ())]
    known = [name for name in used if name in plugins.names("feedback.sources")]  # not those of removed plug-ins
    kinds = [cast(type[Source], plugins.find("feedback.sources", name)) for name in known]
    return next((kind.votes_of for kind in kinds if kind.simulated), Source.votes_of)


def base_rates(metrics: Mapping[str, float]) -> str:
    """In how many answers each component of the rule holds: champion's → candidate's; empty without a rule."""
    prefix = f"{COMPONENT.step}/{COMPONENT.prefix}"
    names = [name.removeprefix(prefix) for name in metrics if name.startswith(prefix)]
    rates = [(name, CHAMPION_COMPONENT.of(name), COMPONENT.of(name)) for name in names]
    shown = [
        f"{name.replace('_', ' ')} {_percent(metrics[f'{COMPONENT.step}/{before}'])} → "
        f"{_percent(metrics[f'{COMPONENT.step}/{after}'])}"
        for name, before, after in rates
    ]
    return ", ".join(shown)


def _feedback(metrics: Mapping[str, float]) -> str:
    pairs = [f"{metrics[part.full]:,.0f} {part}" for part in (CURATE_TRAIN, CURATE_JUDGE, CURATE_HOLDOUT)]
    records, shown = metrics[CURATE_EVENTS.full], metrics[CURATE_DEMONSTRATIONS.full]
    total = f"{records:,.0f} in total: {', '.join(pairs)} pairs, {shown:,.0f} demonstrations"
    return f"{total}, {metrics[CURATE_QUARANTINED.full]:,.0f} in quarantine"


def _baselines(metrics: Mapping[str, float]) -> str:
    """Baselines for the accuracy of the reward model."""
    parts = [f"ceiling {_percent(metrics[REWARD_CEILING.full])}"] if REWARD_CEILING.full in metrics else []
    parts += [f"words alone {_rate(metrics, WORDS_ACCURACY)}", _length_alone(metrics)]
    if metrics.get(REWARD_TRUNCATED.full):
        parts.append(f"{metrics[REWARD_TRUNCATED.full]:.0f} long prompts truncated on the left")
    return "; ".join(parts)


def _length_alone(metrics: Mapping[str, float]) -> str:
    """The better of "the longer wins" and "the shorter wins"."""
    ends = [metrics[name] for name in LONGER_WINS.interval]
    longer = ends[0] >= 0.5
    rate, low, high = ends if longer else (1 - ends[0], 1 - ends[2], 1 - ends[1])
    return f"{'longer' if longer else 'shorter'} wins {_percent(rate)} ({_percent(low)} to {_percent(high)})"


def _alarms(metrics: Mapping[str, float]) -> str:
    names = (name.removesuffix("_alarm") for name, value in metrics.items() if name.endswith("_alarm") and value)
    return "alarm: " + ", ".join(f"{name} {metrics[name]:.3g}" for name in names)


def _signed(metrics: Mapping[str, float], metric: Metric) -> str:
    value, low, high = (metrics[name] for name in metric.interval)
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def _rate(metrics: Mapping[str, float], metric: Metric) -> str:
    rate, low, high = (metrics[name] for name in metric.interval)
    return f"{_percent(rate)} ({_percent(low)} to {_percent(high)})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def table(lines: Iterator[Line]) -> Table:
    """Lines with bold labels."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in lines:
        grid.add_row(plain(name), plain(text))
    return grid
