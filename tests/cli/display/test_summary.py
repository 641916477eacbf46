"""The summary of a round fits one screen; `rounds show` prints everything."""

import io
import json
from typing import Any

import pytest

from cli.display.console import console
from cli.display.summary import TimeSpent, summary, ui
from tasks.state import records
from tasks.state.cost import RoundCost
from tasks.state.records import RoundRecord
from tasks.state.reports import Example
from tasks.state.usage import StepUsage
from tasks.state.workspace import PROJECT, Workspace
from tests.commands import Rounds

LONG = "a reason that goes on for a while, so that it is wrapped " * 3


def lines(record: RoundRecord, workspace: Workspace) -> list[str]:
    file = io.StringIO()
    console(file=file, width=80).print(summary(record, workspace, TimeSpent(142.0, 102.0)))
    return file.getvalue().splitlines()


def gates(*results: str) -> list[dict[str, Any]]:
    return [
        {"gate": f"gate_{ix}", "result": result, "reason": f"{LONG} {ix}", "numbers": {}}
        for ix, result in enumerate(results)
    ]


def judged(record: RoundRecord, *results: str) -> RoundRecord:
    verdict = min(results, key=["reject", "hold", "promote"].index)
    example = {"prompt": "why? " * 60, "before": "\n".join("before") * 30, "after": "after " * 60}
    changed = {"verdict": {"result": verdict, "findings": gates(*results)}, "examples": [example] * 5}
    return RoundRecord.from_json({**record.to_json(), **changed})


@pytest.mark.parametrize(
    "results", [["promote"] * 17, ["hold", *["promote"] * 16], ["reject", *["promote"] * 16], ["hold"] * 17]
)
def test_it_fits_a_screen(followed: Workspace, results: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(followed.root.parent)  # so that the option that names the workspace is short
    shown = lines(judged(records.read(followed, 2), *results), followed)
    assert len(shown) <= 36
    assert {len(line) for line in shown} == {80}


def test_gates_that_promote_are_one_line_and_the_others_are_shown_in_full(followed: Workspace) -> None:
    shown = lines(judged(records.read(followed, 2), "promote", "hold", "promote", "reject"), followed)
    text = " ".join(" ".join(line.strip("│ ") for line in shown).split())
    assert f"hold gate_1: {LONG} 1".replace("  ", " ") in text
    assert f"reject gate_3: {LONG} 3".replace("  ", " ") in text
    assert "promote 2 gates" in text
    assert "gate_0" not in text


def test_of_many_gates_three_have_their_reasons_those_that_reject_first(followed: Workspace) -> None:
    shown = lines(judged(records.read(followed, 2), "hold", "hold", "hold", "reject", "hold"), followed)
    text = " ".join(" ".join(line.strip("│ ") for line in shown).split())
    assert [text.count(f"gate_{ix}: {LONG[:20]}") for ix in range(5)] == [1, 1, 0, 1, 0]
    assert text.index("reject gate_3") < text.index("hold gate_0")
    assert "hold gate_2, gate_4" in text


def test_three_examples_are_shown_with_one_line_per_text(followed: Workspace) -> None:
    shown = lines(judged(records.read(followed, 2), "promote"), followed)
    assert [sum(line.startswith(f"│ {name} ") for line in shown) for name in ("prompt", "before", "after")] == [3] * 3
    assert all("…" in line for line in shown if line.startswith("│ prompt"))


def test_the_command_for_mlflow_is_that_of_the_workspace(
    followed: Workspace, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(followed.root.parent)
    command = f"rounds up --only mlflow -w {followed.root.name}"
    text = " ".join(" ".join(line.strip("│ ") for line in lines(records.read(followed, 2), followed)).split())
    assert f"compare {command}; run {records.read(followed, 2).run_id[:8]}" in text
    assert f"{command}, then http://127.0.0.1:5000/#/experiments/" in rounds("show", "-w", followed.root).out
    assert ui(Workspace(PROJECT)) == "make ui"


def test_text_of_a_model_is_escaped(followed: Workspace) -> None:
    record = judged(records.read(followed, 2), "promote")
    shown = Example(prompt="[/bold] \x1b[2J", before="[red]x[/red]", after="\x07")
    record = record.model_copy(update={"examples": (shown,)})
    text = "\n".join(lines(record, followed))
    assert "[/bold] \\x1b[2J" in text
    assert "[red]x[/red]" in text
    assert "\\x07" in text


def test_the_summary_has_the_time_of_processors_and_the_price_in_all_and_per_point_and_vote(
    followed: Workspace,
) -> None:
    record = records.read(followed, 2)
    steps = {"policy": StepUsage(wall=1800.0, cpu=363.4)}
    metrics = {**record.metrics, "evaluate/win_rate": 0.6, "evaluate/votes": 300}
    rates = "0.15 EUR per point of win rate above 50 %, 0.005 EUR per vote"
    for hour, told in ((None, ""), (3.0, f" cost 1.50 EUR, {rates} details ")):
        cost = RoundCost(steps=steps, hour=hour, currency="EUR")
        shown = lines(record.model_copy(update={"cost": cost, "metrics": metrics}), followed)
        [line] = [line for line in shown if line.startswith("│ time ")]
        assert line.rstrip(" │").endswith("40 s other; CPU 363 s")
        text = " ".join(" ".join(line.strip("│ ") for line in shown).split())
        assert (told in text, " cost " in text) == (True, bool(told))


def test_show_has_every_gate_example_step_and_metric(rounds: Rounds, continued: Workspace) -> None:
    record = judged(records.read(continued, 1), *["promote"] * 17)
    record.save(records.path(continued, 1))
    shown = rounds("show", "-w", continued.root)
    assert shown.code == 0
    assert "Round 1: promote" in shown.out
    assert {finding.gate for finding in record.verdict.findings} <= {*shown.out.split()}
    assert shown.out.split().count("after") == 5 * 61  # the label, and every word of each answer
    assert {*record.times, *record.metrics, record.run_id, record.key} <= {*shown.out.split()}


def test_show_gives_the_record_as_json(rounds: Rounds, followed: Workspace) -> None:
    for number in records.numbers(followed):
        result = rounds("show", number, "--json", "-w", followed.root)
        assert json.loads(result.out) == records.read(followed, number).to_json()
    assert json.loads(rounds("show", "--json", "-w", followed.root).out)["number"] == 2


def test_show_of_round_0_has_no_gates(rounds: Rounds, followed: Workspace) -> None:
    result = rounds("show", 0, "-w", followed.root)
    assert (result.code, "Gates" in result.out, "Policy version 1" in result.out) == (0, False, True)


def test_show_names_the_finished_rounds(rounds: Rounds, followed: Workspace, workspace: Workspace) -> None:
    result = rounds("show", 7, "-w", followed.root)
    assert (result.code, "round 7" in result.err, "0, 1, 2" in result.err) == (2, True, True)
    assert rounds("show", "-w", workspace.root).code == 2
