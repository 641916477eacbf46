"""The end of a round, as a person wants to read it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tasks.state.workspace import Workspace
from tasks.tools.view import page

UI = "http://127.0.0.1:5000"
"""Where `make ui` serves."""

COLOURS = {"promote": "green", "hold": "yellow", "reject": "red"}


class TimeSpent(NamedTuple):
    """Seconds of a whole command, and those of them that were learning, sampling and judging."""

    wall: float
    learning: float


def summary(record: Mapping[str, Any], workspace: Workspace, spent: TimeSpent | None = None) -> RenderableType:
    """A finished round: what went in, what came out, how good it is, the verdict with reasons, and where to look."""
    result = record["verdict"]["result"]
    parts = [_facts(record), _reasons(record), _examples(record), _times(record, spent), _next(record, workspace)]
    title = f"[bold]Round {record['number']}[/bold]: [{COLOURS[result]}]{result}[/{COLOURS[result]}]"
    return Panel(Group(*parts), title=title, title_align="left", padding=(1, 2))


def _facts(record: Mapping[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, text in facts(record["metrics"], record):
        grid.add_row(name, text)
    return grid


def facts(metrics: Mapping[str, float], record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The lines of the summary, each with its name. What was not measured has no line."""
    yield "version", _version(record)
    yield "feedback", f"{record['new_feedback']:,} new records; {_feedback(metrics)}"
    if "evaluate/reward_accuracy" in metrics:
        yield "reward model", _reward(metrics)
    if "evaluate/win_rate" in metrics:
        votes = f"{metrics['evaluate/votes']:.0f} fresh votes"
        yield "win rate", f"{_rate(metrics, 'win_rate')} of {votes} prefer the candidate"
    elif record["number"]:
        yield "win rate", "no fresh votes"
    if "evaluate/judge_win_rate" in metrics:
        yield "judge", f"{_rate(metrics, 'judge_win_rate')} by the judge model (alarms only, it never promotes)"
    if "evaluate/kl_mean" in metrics:
        mean, most = metrics["evaluate/kl_mean"], metrics["evaluate/kl_p95"]
        yield "KL", f"{mean:.2f} nats an answer from the SFT model (95 % of them below {most:.1f})"
    if "evaluate/true_gain" in metrics:
        yield "true gain", _gain(metrics)
    if metrics.get("drift/alarms"):
        yield "drift", f"{_alarms(metrics)}; see data/reports/drift.html"


def _alarms(metrics: Mapping[str, float]) -> str:
    names = (name.removesuffix("_alarm") for name, value in metrics.items() if name.endswith("_alarm") and value)
    return "alarm: " + ", ".join(f"{name} {metrics[name]:.3g}" for name in names)


def _version(record: Mapping[str, Any]) -> str:
    champion = record["inputs"]["champion"]
    now = f"policy version {record['version']}"
    if champion is None:
        return f"{now}, the SFT model, is champion: there was none before"
    verb = "takes over from" if record["verdict"]["result"] == "promote" else "is registered and does not replace"
    return f"{now} {verb} version {champion['version']}"


def _feedback(metrics: Mapping[str, float]) -> str:
    pairs = [f"{metrics[f'curate/{part}']:,.0f} {part}" for part in ("train", "judge", "holdout")]
    records, shown = metrics["curate/events"], metrics["curate/demonstrations"]
    said = f"{records:,.0f} in all: {', '.join(pairs)} pairs, {shown:,.0f} demonstrations"
    return f"{said}, {metrics['curate/quarantined']:,.0f} in quarantine"


def _reward(metrics: Mapping[str, float]) -> str:
    pairs = f"{metrics['evaluate/reward_pairs']:.0f} held-out pairs"
    said = [f"agrees with {_rate(metrics, 'reward_accuracy')} of {pairs}"]
    if "evaluate/reward_ceiling" in metrics:
        said.append(f"ceiling {_percent(metrics['evaluate/reward_ceiling'])}")
    said += [f"words alone {_rate(metrics, 'words_accuracy')}", _length_alone(metrics)]
    if metrics.get("reward/truncated"):
        said.append(f"{metrics['reward/truncated']:.0f} long prompts cut on the left")
    return "; ".join(said)


def _length_alone(metrics: Mapping[str, float]) -> str:
    """The better of "the longer wins" and "the shorter wins"."""
    ends = [metrics[f"evaluate/longer_wins{end}"] for end in ("", "_low", "_high")]
    longer = ends[0] >= 0.5
    rate, low, high = ends if longer else (1 - ends[0], 1 - ends[2], 1 - ends[1])
    return f"{'longer' if longer else 'shorter'} wins {_percent(rate)} ({_percent(low)} to {_percent(high)})"


def _gain(metrics: Mapping[str, float]) -> str:
    low, high = metrics["evaluate/true_gain_low"], metrics["evaluate/true_gain_high"]
    before, after = metrics["evaluate/true_utility_champion"], metrics["evaluate/true_utility"]
    gain = f"{metrics['evaluate/true_gain']:+.2f} ({low:+.2f} to {high:+.2f})"
    return f"{gain} utility of the simulated annotator, {before:.2f} → {after:.2f}"


def _rate(metrics: Mapping[str, float], name: str) -> str:
    low, high = metrics[f"evaluate/{name}_low"], metrics[f"evaluate/{name}_high"]
    return f"{_percent(metrics[f'evaluate/{name}'])} ({_percent(low)} to {_percent(high)})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _reasons(record: Mapping[str, Any]) -> RenderableType:
    findings = record["verdict"]["findings"]
    if not findings:
        return Text()
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for finding in findings:
        colour = COLOURS[finding["result"]]
        table.add_row(f"[{colour}]{finding['result']}[/{colour}]", finding["gate"], finding["reason"])
    return Group(Text("\nGates", style="bold"), table)


def _examples(record: Mapping[str, Any]) -> RenderableType:
    lines = Text()
    for example in record["examples"]:
        lines.append(f"\n{example['prompt']}\n", style="bold")
        lines.append("  before  ", style="dim").append(example["before"] + "\n")
        lines.append("  after   ", style="dim").append(example["after"] + "\n")
    return lines


def _times(record: Mapping[str, Any], spent: TimeSpent | None) -> RenderableType:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("step", "seconds", "of it learning, sampling, judging"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for step, took in record["times"].items():
        table.add_row(step, f"{took['wall']:.1f}", f"{took['learning']:.1f}")
    if spent is None:
        return table
    rest = f"{spent.wall - spent.learning:.0f} s all else (imports, Prefect, DVC, MLflow)"
    return Group(table, Text(f"{spent.wall:.0f} s in all: {spent.learning:.0f} s learning, sampling, judging; {rest}"))


def _next(record: Mapping[str, Any], workspace: Workspace) -> RenderableType:
    return Text.assemble(
        ("\nCompare rounds  ", "bold"), f"make ui, then {page(UI, record['experiment'])}\n",
        ("This run        ", "bold"), f"{record['run_id']}\n",
        ("Reports         ", "bold"), f"{workspace.data / 'reports'}\n",
        ("Versions        ", "bold"), "rounds status; rounds rollback --reason …",
    )  # fmt: skip
