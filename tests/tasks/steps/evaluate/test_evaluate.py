"""What evaluations get from a round, and the report."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from core.files import read_json
from evaluation.evals import CANDIDATE, CHAMPION
from feedback import pairs, store
from feedback.schema import FeedbackEvent, Message, Response
from feedback.sources import AnswerPair
from tasks.people import ballots
from tasks.state import tables
from tasks.state.round import Round
from tasks.steps.evaluate import EVALS, evaluate
from tests.evaluation.compared import vote
from tests.tasks.steps.hand_written import QUESTIONS, Logged, opened, put, write_preferences, write_prompts


def only(*names: str) -> dict[str, Any]:
    """Parameters that leave these evaluations."""
    return {"evals": {name: {} if name in names else None for name in EVALS}}


def sampled(round: Round, models: Path) -> Round:
    """Three answered prompts, in another order than the table of prompts; the candidate's answers are longer."""
    workspace = round.workspace
    for name in ("reward", "judge"):
        put(models / "reward", workspace.checkpoint(name))
    write_prompts(workspace, "holdout")
    write_preferences(workspace, "train", 4)
    write_preferences(workspace, "holdout", 4)
    columns: dict[str, Any] = {
        name: [value.format(i) for i in (2, 0, 1)] for name, value in (("prompt_id", "p{}"), ("group", "g{}"))
    }
    columns["prompt"] = [QUESTIONS[i] for i in (2, 0, 1)]
    for who, tokens in ((CANDIDATE, 6), (CHAMPION, 3)):
        columns |= {f"{who}_texts": [f"{who} {i}" for i in range(3)], f"{who}_tokens": [tokens] * 3}
        columns |= {f"{who}_ended": [True] * 3} | {f"{who}_{name}": [0.5] * 3 for name in ("reward", "judge", "kl")}
    tables.write(workspace.sampled, pa.table(columns))
    pairs.write(workspace.pairs, [_pair()])
    return round


def _pair() -> AnswerPair:
    sides = [Response(response_id=side, messages=(Message(role="assistant", content=side),)) for side in "ab"]
    return AnswerPair("votes-1-00000", (Message(role="user", content=QUESTIONS[0]),), (sides[0], sides[1]))


def cast(round: Round, *votes: FeedbackEvent) -> None:
    store.append(round.workspace.votes, list(votes), round.number)


def test_votes_on_pairs_of_before_the_round_was_reopened_do_not_count(tmp_path: Path, models: Path) -> None:
    round = sampled(opened(tmp_path, evaluate=only("votes")), models)
    pairs_id = ballots.pairs_id(round.workspace)
    cast(
        round,
        vote("g0", 1, 2, batch_id=pairs_id),
        vote("g1", 1, 2, batch_id=pairs_id),
        vote("g2", 2, 1, batch_id="other"),
    )
    evaluate(round, Logged())
    numbers = read_json(round.workspace.report("evaluate"))["metrics"]
    assert (numbers["votes"], numbers["win_rate"]) == (2, 1.0)


def test_the_report_has_metrics_examples_and_the_reliability_diagram(tmp_path: Path, models: Path) -> None:
    round, log = sampled(opened(tmp_path, evaluate=only("answers", "reward_model")), models), Logged()
    evaluate(round, log)
    report = read_json(round.workspace.report("evaluate"))
    assert log.metrics == report["metrics"]
    assert report["metrics"]["length_ratio"] == 2.0
    assert [example["prompt"] for example in report["examples"]] == [QUESTIONS[i] for i in (2, 0, 1)]
    assert (report["examples"][0]["before"], report["examples"][0]["after"]) == ("champion 0", "candidate 0")
    assert sum(report["calibration"]["pairs"]) == 4
    assert read_json(round.workspace.report("probes")) == {}
