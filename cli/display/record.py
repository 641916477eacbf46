"""The record of a round, put into words: for the summary, and for `rounds show`."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rich.table import Table

from cli.display.console import plain

COLOURS = {"promote": "green", "hold": "yellow", "reject": "red"}

DECIDED_BY_HAND = ("approval", "promotion")
"""Findings that are no gate's: a person's decision, and what became of the promotion. Both are always shown."""

Line = tuple[str, str]
"""A name and what is said of it."""


class Finding(NamedTuple):
    """What one gate decided, and why."""

    gate: str
    result: str
    reason: str

    @property
    def agrees(self) -> bool:
        """True of a gate that has nothing against the candidate."""
        return self.result == "promote" and self.gate not in DECIDED_BY_HAND


class Example(NamedTuple):
    """A prompt, and what champion and candidate answered."""

    prompt: str
    before: str
    after: str


def findings(record: Mapping[str, Any]) -> list[Finding]:
    """What the gates decided, in their order."""
    return [Finding(one["gate"], one["result"], one["reason"]) for one in record["verdict"]["findings"]]


def examples(record: Mapping[str, Any]) -> list[Example]:
    """Answers before and after the round."""
    return [Example(one["prompt"], one["before"], one["after"]) for one in record["examples"]]


def decision(record: Mapping[str, Any]) -> str:
    """Which version is champion because of the round, and which is not."""
    champion = record["inputs"]["champion"]
    now = f"Policy version {record['version']}"
    if champion is None:
        return f"{now}, the SFT model, is champion: there was none before."
    verb = "takes over from" if record["verdict"]["result"] == "promote" else "is registered and does not replace"
    return f"{now} {verb} version {champion['version']}."


def numbers(record: Mapping[str, Any]) -> Iterator[Line]:
    """The numbers that matter, most important first; what was not measured is left out."""
    metrics = record["metrics"]
    if "evaluate/win_rate" in metrics:
        yield "win rate", f"{_rate(metrics, 'win_rate')} of {metrics['evaluate/votes']:,.0f} fresh votes"
    elif record["number"]:
        yield "win rate", "no fresh votes"
    if "evaluate/true_gain" in metrics:
        yield "true gain", f"{_signed(metrics, 'true_gain')} utility of the simulated annotator"
    if "evaluate/reward_accuracy" in metrics:
        pairs = f"{metrics['evaluate/reward_pairs']:,.0f} held-out pairs"
        yield "reward model", f"agrees with {_rate(metrics, 'reward_accuracy')} of {pairs}"
    if "evaluate/safety_win_rate" in metrics:
        votes = f"{metrics['evaluate/safety_votes']:,.0f} votes on safety prompts"
        yield "safety", f"{_rate(metrics, 'safety_win_rate')} of {votes}"
    if "evaluate/red_team_success" in metrics:
        champion = _percent(metrics["evaluate/champion_red_team_success"])
        attacks = f"{metrics['evaluate/red_team_prompts']:,.0f} attacks"
        yield "red team", f"{_percent(metrics['evaluate/red_team_success'])} of {attacks} succeed; champion {champion}"
    if "evaluate/kl_mean" in metrics:
        mean, most = metrics["evaluate/kl_mean"], metrics["evaluate/kl_p95"]
        yield "KL", f"{mean:.2f} nats per answer from the SFT model (95th percentile {most:.1f})"
    if "evaluate/length_ratio" in metrics:
        yield "length", f"{metrics['evaluate/length_ratio']:.2f} times the champion's"


def details(record: Mapping[str, Any]) -> Iterator[Line]:
    """Counts and numbers that the summary leaves out."""
    metrics = record["metrics"]
    yield "feedback", f"{record['new_feedback']:,} new records; {_feedback(metrics)}"
    if "evaluate/reward_accuracy" in metrics:
        yield "baselines", _baselines(metrics)
    if "evaluate/judge_win_rate" in metrics:
        yield "judge", f"{_rate(metrics, 'judge_win_rate')} by the judge model (alarms only, it never promotes)"
    if "evaluate/true_gain" in metrics:
        before, after = metrics["evaluate/true_utility_champion"], metrics["evaluate/true_utility"]
        yield "utility", f"{before:.2f} → {after:.2f} by the simulated annotator"
    if metrics.get("drift/alarms"):
        yield "drift", f"{_alarms(metrics)}; see data/reports/drift.html"


def _feedback(metrics: Mapping[str, float]) -> str:
    pairs = [f"{metrics[f'curate/{part}']:,.0f} {part}" for part in ("train", "judge", "holdout")]
    records, shown = metrics["curate/events"], metrics["curate/demonstrations"]
    total = f"{records:,.0f} in all: {', '.join(pairs)} pairs, {shown:,.0f} demonstrations"
    return f"{total}, {metrics['curate/quarantined']:,.0f} in quarantine"


def _baselines(metrics: Mapping[str, float]) -> str:
    """What the accuracy of the reward model is to be compared with."""
    parts = [f"ceiling {_percent(metrics['evaluate/reward_ceiling'])}"] if "evaluate/reward_ceiling" in metrics else []
    parts += [f"words alone {_rate(metrics, 'words_accuracy')}", _length_alone(metrics)]
    if metrics.get("reward/truncated"):
        parts.append(f"{metrics['reward/truncated']:.0f} long prompts cut on the left")
    return "; ".join(parts)


def _length_alone(metrics: Mapping[str, float]) -> str:
    """The better of "the longer wins" and "the shorter wins"."""
    ends = [metrics[f"evaluate/longer_wins{end}"] for end in ("", "_low", "_high")]
    longer = ends[0] >= 0.5
    rate, low, high = ends if longer else (1 - ends[0], 1 - ends[2], 1 - ends[1])
    return f"{'longer' if longer else 'shorter'} wins {_percent(rate)} ({_percent(low)} to {_percent(high)})"


def _alarms(metrics: Mapping[str, float]) -> str:
    names = (name.removesuffix("_alarm") for name, value in metrics.items() if name.endswith("_alarm") and value)
    return "alarm: " + ", ".join(f"{name} {metrics[name]:.3g}" for name in names)


def _signed(metrics: Mapping[str, float], name: str) -> str:
    value, low, high = (metrics[f"evaluate/{name}{end}"] for end in ("", "_low", "_high"))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def _rate(metrics: Mapping[str, float], name: str) -> str:
    rate, low, high = (metrics[f"evaluate/{name}{end}"] for end in ("", "_low", "_high"))
    return f"{_percent(rate)} ({_percent(low)} to {_percent(high)})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def table(lines: Iterator[Line]) -> Table:
    """Lines with bold names."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in lines:
        grid.add_row(plain(name), plain(text))
    return grid
