"""A round as the Prefect UI shows it."""

from evaluation.verdict import Finding, Verdict
from tasks.pages.round import gates, summary
from tasks.state import records
from tasks.state.workspace import Workspace


def test_gates_are_rows_with_three_digits() -> None:
    found = (
        Finding(gate="win_rate", result="promote", reason="61.2 % of 400 votes", numbers={"win_rate": 0.6123456789}),
        Finding(gate="budget", result="hold", reason="took\x1b too long"),
    )
    assert gates(Verdict(findings=found)) == [
        {"gate": "win_rate", "result": "promote", "reason": "61.2 % of 400 votes", "numbers": "win_rate 0.612"},
        {"gate": "budget", "result": "hold", "reason": "took\\x1b too long", "numbers": ""},
    ]


def test_the_summary_links_run_and_cards(finished: Workspace) -> None:
    record = records.read(finished, 1)
    text = summary(record, "http://mlflow/#/experiments/1/runs/abc", "")
    assert text.startswith("# Round 1: promote\n\nPolicy version 2 was compared with the champion, version 1.\n")
    assert "[Run in MLflow](http://mlflow/#/experiments/1/runs/abc)" in text
    assert "[model](http://mlflow/#/experiments/1/runs/abc/artifacts/card/policy-card.md)" in text
    value, low, high = (
        record.metrics[name] for name in ("evaluate/win_rate", "evaluate/win_rate_low", "evaluate/win_rate_high")
    )
    assert f"| `evaluate/win_rate` | {value:.3g} | {low:.3g} to {high:.3g} |" in text
    assert "\n| collect | " in text


def test_without_a_server_the_summary_has_the_command(finished: Workspace) -> None:
    text = summary(records.read(finished, 0), None, "mlflow ui --backend-store-uri sqlite:////srv/mlflow.db")
    assert "Policy version 1 is the first model of this workspace." in text
    assert "shown by `mlflow ui --backend-store-uri sqlite:////srv/mlflow.db`" in text
