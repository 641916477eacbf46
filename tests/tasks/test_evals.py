import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import plugins
from core.errors import BadFeedback
from core.intervals import bootstrap
from feedback import world
from feedback.schema import FeedbackEvent, Judgement, Message, Outcome, Response
from tasks.evals import CANDIDATE, CHAMPION, Answers, Evaluation, Holdout, Pairs
from tasks.evals.answers import AnswerStatistics, distinct
from tasks.evals.judge import Judge
from tasks.evals.reward_model import RewardModel, ceiling, decided, length_pull, over_length
from tasks.evals.true_utility import TrueUtility
from tasks.evals.votes import Votes, count
from tasks.evidence import Evidence
from tasks.gates.win_rate import WinRate
from tasks.outcomes import agreement, wins

ROOT = Path(__file__).parents[2]


def answers(texts: list[str], judge: list[float] | None = None, reward: list[float] | None = None) -> Answers:
    rows = len(texts)
    return Answers(
        texts=texts,
        tokens=np.array([len(text.split()) for text in texts]),
        ended=np.ones(rows, dtype=np.bool_),
        reward=np.array(reward or [0.0] * rows),
        judge=np.array(judge or [0.0] * rows),
        kl=np.arange(rows, dtype=np.float64),
    )


def pairs(p_chosen: list[float], margins: list[float], lengths: list[int] | None = None) -> Pairs:
    """Pairs whose chosen answer is `lengths` characters longer (negative: shorter)."""
    rows, longer = len(p_chosen), lengths or [0] * len(p_chosen)
    return Pairs(
        chosen=["x" * (50 + more) for more in longer],
        rejected=["x" * 50] * rows,
        p_chosen=np.array(p_chosen),
        groups=[str(row) for row in range(rows)],
        margins=np.array(margins),
        judge_margins=np.array(margins),
        words=np.full(rows, 0.6),
    )


def holdout(
    rows: int = 0, votes: list[FeedbackEvent] | None = None, held: Pairs | None = None, prompts: list[str] | None = None
) -> Holdout:
    texts = prompts or [f"prompt {row}" for row in range(rows)]
    return Holdout(
        prompts=[(Message(role="user", content=text),) for text in texts],
        groups=[str(row) for row in range(len(texts))],
        votes=votes or [],
        pairs=held or pairs([], []),
    )


def vote(
    group: str,
    candidate: int | None,
    champion: int | None,
    outcome: Outcome = "prefer",
    criterion: str = "overall",
    flipped: bool = False,
    annotator: Literal["human", "ai", "simulated"] = "human",
    versions: tuple[str, str] = (CANDIDATE, CHAMPION),
) -> FeedbackEvent:
    """One vote by ranks; `flipped` puts the champion's answer first."""
    order = slice(None, None, -1) if flipped else slice(None)
    responses = [
        Response(response_id=version, messages=(Message(role="assistant", content=version),), model_version=version)
        for version in versions
    ]
    judgement = Judgement(criterion=criterion, outcome=outcome, ranks=(candidate, champion)[order])
    return FeedbackEvent(
        feedback_id=f"{group}-{candidate}-{flipped}",
        kind="comparison",
        prompt_id=group,
        prompt_group=group,
        prompt=(Message(role="user", content=group),),
        responses=tuple(responses[order]),
        judgements=(judgement,),
        annotator_type=annotator,
        source="test",
        source_id=group,
    )


NOBODY = answers([])


def test_outcomes_by_hand() -> None:
    assert wins([2, 1, 1], [1, 1, 2]).tolist() == [1, 0.5, 0]
    # two of three votes agree; one of three agrees; a margin of 0 is half right
    assert agreement([1.0, -1.0, 0.0], [2 / 3, 2 / 3, 1.0]) == pytest.approx([2 / 3, 1 / 3, 0.5])


def test_votes_by_hand() -> None:
    cast = [
        vote("a", 1, 2),
        vote("b", 2, 1, flipped=True),
        vote("c", 1, 2, flipped=True),
        vote("c", None, None, outcome="tie_both_bad"),
        vote("d", None, None, outcome="cannot_judge"),
    ]
    found = Votes().run(NOBODY, NOBODY, holdout(votes=cast))
    # a win, a loss, a win and a tie: 2.5 of 4, in three groups; what can't be judged is not counted
    assert (found["win_rate"], found["votes"], found["vote_groups"]) == (0.625, 4, 3)
    assert found["vote_ties"] == 0.25
    assert found["win_rate_low"] <= 0.625 <= found["win_rate_high"]


def test_sides_do_not_matter() -> None:
    one, other = ([vote(g, 1, 2, flipped=flipped) for g in "abc"] for flipped in (False, True))
    assert count(one) == count(other)


def test_votes_under_a_criterion_have_a_name_and_a_p_value() -> None:
    cast = [vote(str(row), 2, 1, criterion="Really Polite") for row in range(5)]
    found = Votes().run(NOBODY, NOBODY, holdout(votes=cast))
    assert found["criterion_really_polite"] == 0
    assert found["criterion_really_polite_p"] == pytest.approx(2 / 2**5)
    assert found["criterion_really_polite_votes"] == 5
    assert "win_rate" not in found


def test_models_do_not_vote() -> None:
    cast = [vote("a", 1, 2, annotator="ai"), vote("a", 1, 2).model_copy(update={"status": "withdrawn"})]
    assert Votes().run(NOBODY, NOBODY, holdout(votes=cast)) == {}
    assert len(count([vote("a", 1, 2, annotator="simulated")])["overall"]) == 1


def test_a_vote_on_other_models_is_refused() -> None:
    with pytest.raises(BadFeedback, match=r"test:a compares \['7', 'champion'\]"):
        count([vote("a", 1, 2, versions=("7", CHAMPION))])


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 2), st.integers(1, 2)), min_size=1, max_size=30))
def test_swapping_the_models_mirrors_the_win_rate(ranks: list[tuple[str, int, int]]) -> None:
    groups, ours, theirs = [r[0] for r in ranks], [-r[1] for r in ranks], [-r[2] for r in ranks]
    one, other = (
        bootstrap(wins(a, b), groups, draws=100) for a, b in ((np.array(ours), theirs), (np.array(theirs), ours))
    )
    assert (1 - one.estimate, 1 - one.high, 1 - one.low) == pytest.approx(other[:3])


def test_a_polite_and_wrong_candidate_is_rejected_by_people() -> None:
    rows = 400
    cast = [vote(str(row), *((1, 2) if row < 140 else (2, 1)), flipped=row % 2 == 0) for row in range(rows)]
    praise = [1.0] * 364 + [-1.0] * 36
    candidate, champion = answers(["Dear!"] * rows, judge=praise), answers(["42"] * rows)
    found = Votes().run(candidate, champion, holdout(rows, cast)) | Judge().run(candidate, champion, holdout(rows))
    assert (found["judge_win_rate"], found["win_rate"]) == (0.91, 0.35)
    evidence = Evidence(candidate={f"evaluate/{name}": number for name, number in found.items()})
    assert WinRate().check(evidence).result == "reject"


def test_judge_by_hand() -> None:
    ours, theirs = answers(["a"] * 4, judge=[1, 2, 3, 0]), answers(["a"] * 4, judge=[0, 2, 1, 1])
    found = Judge().run(ours, theirs, holdout(4))
    assert (found["judge_win_rate"], found["judge_gain"], found["judge_prompts"]) == (0.625, 0.5, 4)


def test_answers_by_hand() -> None:
    ours, theirs = answers(["a b c d", "a b"], reward=[1, 3]), answers(["a", "b"], reward=[0, 1])
    found = AnswerStatistics().run(ours, theirs, holdout(2))
    assert (found["length_mean"], found["length_ratio"], found["eos_rate"]) == (3, 3, 1)
    assert (found["distinct_1"], found["distinct_2"]) == (4 / 6, 3 / 4)
    assert (found["kl_mean"], found["reward_gain"]) == (0.5, 1.5)
    assert found["kl_p95"] == pytest.approx(0.95)


def test_distinct_runs() -> None:
    assert distinct(["ha ha ha"], 1) == pytest.approx(1 / 3)
    assert distinct(["one", ""], 2) == 0


def test_reward_model_by_hand() -> None:
    held = pairs([1, 1, 1, 1, 0.5], [2, 1, 1, -1, 9], lengths=[5, 5, -5, -5, 40])
    found = RewardModel().run(NOBODY, NOBODY, holdout(held=held))
    # the tied pair is not counted; three of four margins are right, two of four chosen answers are longer
    assert (found["reward_pairs"], found["reward_accuracy"], found["longer_wins"]) == (4, 0.75, 0.5)
    assert (found["words_accuracy"], found["reward_over_length"]) == (1, 0.25)
    assert "reward_ceiling" not in found
    assert 0 < found["reward_brier"] < 1


def test_no_decided_pairs_no_numbers() -> None:
    assert RewardModel().run(NOBODY, NOBODY, holdout(held=pairs([0.5], [1.0]))) == {}
    assert len(decided(pairs([0.5, 1.0], [1, 1])).chosen) == 1


def test_the_ceiling_is_the_majoritys_share() -> None:
    assert ceiling(np.array([1.0, 2 / 3, 0.4])) == {"reward_ceiling": pytest.approx((1 + 2 / 3 + 0.6) / 3)}
    assert ceiling(np.array([1.0, 0.0])) == {}


def test_length_is_beaten_or_not_in_its_better_direction() -> None:
    # the shorter answer wins three times of four, and the reward model is right half the time
    held = pairs([1, 1, 1, 1], [1, 1, -1, -1], lengths=[-5, -5, -5, 5])
    assert over_length(held).estimate == -0.25


def test_length_pull() -> None:
    assert length_pull(np.array([1.0, 2.0]), np.array([10.0, 20.0]))["reward_length_correlation"] == pytest.approx(1)
    assert length_pull(np.array([1.0, 1.0]), np.array([10.0, 20.0])) == {}


def test_true_utility_is_the_worlds() -> None:
    requests = world.prompts(3, seed=0)
    asked = [world.render(request)[-1].content for request in requests]
    ours = answers([*(world.best(request) for request in requests), "?"])
    found = TrueUtility().run(ours, answers([""] * 4), holdout(prompts=[*asked, "not of this world"]))
    empty = np.mean([world.utility(request, "") for request in requests])
    assert found["true_utility"] == pytest.approx(3)
    assert found["true_gain"] == pytest.approx(3 - empty)
    assert TrueUtility().run(ours, ours, holdout(prompts=["not of this world"])) == {}


def test_metrics_work_without_a_hub_and_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import evaluate

    from tasks import metrics

    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert metrics.win_rate([1.0, 2.0], [0.0, 2.0], ["a", "b"]).estimate == 0.75
    assert metrics.accuracy([1.0, -2.0], [1.0, 0.75], ["a", "b"]).estimate == 0.625
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", plugins.names("tasks.evals"))
def test_every_file_is_an_evaluation(name: str) -> None:
    assert issubclass(plugins.find("tasks.evals", name), Evaluation)


def test_loading_evaluations_and_gates_is_quick() -> None:
    load = (
        "from core.plugins import find, names; [find(p, n) for p in ('tasks.evals', 'tasks.gates') for n in names(p)]"
    )
    heavy = "{'torch', 'evaluate', 'datasets', 'mlflow', 'prefect', 'dvc'}"
    code = f"import sys; {load}; assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
