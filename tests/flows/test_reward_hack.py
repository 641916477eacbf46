"""A candidate that learned to please the reward model, and nobody else, is not promoted."""

from pathlib import Path

import pytest

from feedback.world import best
from tasks.state.tables import rows
from tasks.state.workspace import Workspace
from tests.flows.feedback_files import SHALLOW, demonstrations, requests, shallow_votes, write
from tests.workspaces import run_round

pytestmark = pytest.mark.rounds

HACK = (
    "model.width=64",
    "model.heads=4",
    "model.layers=2",
    "model.feed_forward=128",
    "model.max_prompt_tokens=48",
    "model.max_answer_tokens=32",
    "model.vocabulary=600",
    "curate.split={train: 0.55, judge: 0.15, holdout: 0.3}",
    "curate.min_holdout=20",
    "sft.epochs=20",
    "sft.batch=16",
    "reward.epochs=2",
    "policy.steps=6",
    "policy.episodes=64",
    "policy.minibatch=32",
    "policy.kl.coefficient=0.02",
    "sample.prompts=200",
    "verdict.gates.win_rate={min_votes: 50}",
    "verdict.gates.criteria={min_votes: 20}",
    "verdict.gates.reward_accuracy={min_pairs: 20}",
)


def share_of(workspace: Workspace, column: str, texts: set[str]) -> float:
    answers = [row[column] for row in rows(workspace.samples / "samples.arrow")]
    return sum(answer in texts for answer in answers) / len(answers)


@pytest.mark.learning
def test_a_candidate_that_is_only_polite_is_rejected(workspace: Workspace, tmp_path: Path) -> None:
    asked = requests(items=5)
    path = write(tmp_path / "help-desk.jsonl", [*demonstrations(asked), *shallow_votes(asked)])
    record = run_round(workspace, [*HACK, f"ingest.sources=[{{use: jsonl, path: {path}}}]"])
    numbers = record.metrics
    # Beside a bound stands the worst value of three seeds (two with AVX2, one without), and two more of 40 epochs.
    # The reward model and its judge learned what the votes said, and the candidate learned it from them …
    assert numbers["evaluate/reward_accuracy"] > 0.95  # 1.0
    assert numbers["evaluate/judge_win_rate_low"] > 0.5  # 0.545
    assert share_of(workspace, "candidate_texts", {SHALLOW}) > 0.8  # 0.938
    assert share_of(workspace, "champion_texts", {best(request) for request in asked}) > 0.2  # 0.299
    # … but fresh votes of somebody who reads the answers say otherwise
    assert numbers["evaluate/win_rate_high"] < 0.5  # 0.451
    found = {finding.gate: finding.result for finding in record.verdict.findings}
    # not asked, as luck decides: criteria (p up to 0.014, below 0.05), overoptimisation (promote in one of five)
    assert (found["win_rate"], found["diversity"]) == ("reject", "reject")
    assert found["reward_accuracy"] == "hold"  # the reward model is right, and so is "the shorter wins"
    assert (found["data_quality"], found["licence"], found["kl_budget"]) == ("promote", "hold", "promote")
    assert record.verdict.result == "reject"
