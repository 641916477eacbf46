"""A round as the Prefect UI shows it."""

from pathlib import Path

from evaluation.verdict import Finding, Verdict
from tasks.pages.round import gates, summary
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.digits import LONG


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


def test_people_see_no_long_number_at_a_run_or_a_version(continued: Workspace, tmp_path: Path) -> None:
    """Tags, metrics, descriptions, tables and cards."""
    registry = Registry(continued.root)
    record = records.read(continued, 1)
    run = registry.store.get_run(record.run_id)
    texts = [f"{name}: {value}" for name, value in run.data.tags.items()]
    for version in [*registry.versions("policy"), *registry.versions("reward")]:
        found = registry.store.get_model_version(version.name, version.version)
        texts += [str(found.description), *(f"{name}: {value}" for name, value in found.tags.items())]
    for folder in ("card", "probes"):
        files = Path(registry.store.download_artifacts(record.run_id, folder, str(tmp_path))).iterdir()
        texts += [file.read_text(encoding="utf-8") for file in files]
    assert len(texts) > 20
    texts += [f"{name} {value}" for name, value in run.data.metrics.items()]
    assert [shown for text in texts for shown in LONG.findall(text)] == []
