import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import plugins
from core.errors import BadFeedback
from evaluation.evals import CHAMPION, Evaluation, is_oracle
from evaluation.evals.answers import AnswerStatistics
from evaluation.evals.diversity import Diversity, counts, distinct, distinct_ratio, rarefied, self_bleu
from evaluation.evals.judge import Judge
from evaluation.evals.refusals import Refusals
from evaluation.evals.reward_model import RewardModelAccuracy, ceiling, length_correlation, non_tied, over_length
from evaluation.evals.safety import Safety
from evaluation.evals.slices import Slices
from evaluation.evals.true_utility import TRUE_GAIN, TRUE_UTILITY, TRUE_UTILITY_CHAMPION, TrueUtility
from evaluation.evals.votes import Votes, count
from evaluation.gates.win_rate import WinRateGate
from evaluation.statistics.intervals import bootstrap
from evaluation.statistics.outcomes import wins
from evaluation.verdict import GateInputs
from feedback import world
from feedback.rule_probes import RuleProbes
from feedback.rules import Rule
from feedback.schema import Prompt
from feedback.world.probes import WorldProbes
from tests.evaluation.compared import NOBODY, answers, holdout, pairs, vote

ROOT = Path(__file__).parents[3]


def test_votes_by_hand() -> None:
    cast = [
        vote("a", 1, 2),
        vote("b", 2, 1, flipped=True),
        vote("c", 1, 2, flipped=True),
        vote("c", None, None, outcome="tie_both_bad"),
        vote("d", None, None, outcome="cannot_judge"),
    ]
    metrics = Votes().run(NOBODY, NOBODY, holdout(votes=cast))
    # a win, a loss, a win and a tie: 2.5 of 4, in three groups; "can't judge" is not counted
    assert (metrics["win_rate"], metrics["votes"], metrics["vote_groups"]) == (0.625, 4, 3)
    assert metrics["vote_ties"] == 0.25
    assert metrics["win_rate_low"] <= 0.625 <= metrics["win_rate_high"]


def test_sides_do_not_matter() -> None:
    first, second = ([vote(g, 1, 2, flipped=flipped) for g in "abc"] for flipped in (False, True))
    assert count(first) == count(second)


def test_votes_under_a_criterion_have_a_name_and_a_p_value() -> None:
    cast = [vote(str(row), 2, 1, criterion="Really Polite") for row in range(5)]
    metrics = Votes().run(NOBODY, NOBODY, holdout(votes=cast))
    assert metrics["criterion_really_polite"] == 0
    assert metrics["criterion_really_polite_p"] == pytest.approx(2 / 2**5, abs=0.01)
    assert metrics["criterion_really_polite_votes"] == 5
    assert "win_rate" not in metrics


def test_votes_of_models_do_not_count() -> None:
    cast = [vote("a", 1, 2, annotator="ai"), vote("a", 1, 2).model_copy(update={"status": "withdrawn"})]
    assert Votes().run(NOBODY, NOBODY, holdout(votes=cast)) == {}
    assert len(count([vote("a", 1, 2, annotator="simulated")])["overall"]) == 1


def test_votes_of_the_source_rule_count_and_those_of_other_programs_do_not() -> None:
    by_a_program = vote("a", 1, 2, annotator="rule")
    assert count([by_a_program]) == {}
    assert len(count([by_a_program.model_copy(update={"source": "rule"})])["overall"]) == 1


def test_a_vote_on_other_models_is_refused() -> None:
    with pytest.raises(BadFeedback, match=r"test:a compares \['7', 'champion'\]"):
        count([vote("a", 1, 2, versions=("7", CHAMPION))])


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 2), st.integers(1, 2)), min_size=1, max_size=30))
def test_swapping_the_models_mirrors_the_win_rate(ranks: list[tuple[str, int, int]]) -> None:
    groups, ours, theirs = [r[0] for r in ranks], [-r[1] for r in ranks], [-r[2] for r in ranks]
    first, second = (
        bootstrap(wins(a, b), groups, draws=100) for a, b in ((np.array(ours), theirs), (np.array(theirs), ours))
    )
    assert (1 - first.estimate, 1 - first.high, 1 - first.low) == pytest.approx(second[:3])


def test_a_polite_and_wrong_candidate_is_rejected_by_people() -> None:
    rows = 400
    cast = [vote(str(row), *((1, 2) if row < 140 else (2, 1)), flipped=row % 2 == 0) for row in range(rows)]
    praise = [1.0] * 364 + [-1.0] * 36
    candidate, champion = answers(["Dear!"] * rows, judge=praise), answers(["42"] * rows)
    metrics = Votes().run(candidate, champion, holdout(rows, cast)) | Judge().run(candidate, champion, holdout(rows))
    assert (metrics["judge_win_rate"], metrics["win_rate"]) == (0.91, 0.35)
    inputs = GateInputs(candidate={f"evaluate/{name}": number for name, number in metrics.items()})
    assert WinRateGate().check(inputs).result == "reject"


def test_judge_by_hand() -> None:
    ours, theirs = answers(["a"] * 4, judge=[1, 2, 3, 0]), answers(["a"] * 4, judge=[0, 2, 1, 1])
    metrics = Judge().run(ours, theirs, holdout(4))
    assert (metrics["judge_win_rate"], metrics["judge_gain"], metrics["judge_prompts"]) == (0.625, 0.5, 4)


def test_answers_by_hand() -> None:
    ours, theirs = answers(["a b c d", "a b"], reward=[1, 3]), answers(["a", "b"], reward=[0, 1])
    metrics = AnswerStatistics().run(ours, theirs, holdout(2))
    assert (metrics["length_mean"], metrics["length_ratio"], metrics["eos_rate"]) == (3, 3, 1)
    assert (metrics["kl_mean"], metrics["champion_kl_mean"], metrics["reward_gain"]) == (0.5, 0.5, 1.5)
    assert metrics["kl_p95"] == pytest.approx(0.95)


def test_diversity_by_hand() -> None:
    metrics = Diversity().run(answers(["a b c d", "a b"]), answers(["a", "b"]), holdout(2))
    assert (metrics["distinct_1"], metrics["distinct_2"], metrics["champion_distinct_2"]) == (4 / 6, 3 / 4, 0)
    # "a b c d" finds a, b of four words and "a b" of three pairs in the other, no longer run; "a b" finds all of itself
    long = (2 / 4 * 1 / 3 * 0.1 / 2 * 0.1 / 1) ** (1 / 4)
    assert metrics["self_bleu"] == pytest.approx((long + 1) / 2)


def test_self_bleu_equals_comparing_each_text_with_all_others() -> None:
    assert self_bleu(["a b c d e"] * 3) == pytest.approx(1)
    assert self_bleu(["a a a", "a a", "b"]) == pytest.approx(
        # two of three a's and one of two pairs are in the second, no run of three; all of the second is in the first
        ((2 / 3 * 1 / 2 * 0.1 / 1) ** (1 / 3) + 1 + 0.1) / 3
    )
    assert self_bleu(["alone", ""]) == 0


@settings(deadline=None)
@given(st.lists(st.text("ab ", max_size=8), max_size=6))
def test_self_bleu_is_a_share_and_does_not_depend_on_order(texts: list[str]) -> None:
    assert 0 <= self_bleu(texts) <= 1 + 1e-9
    assert self_bleu(texts) == pytest.approx(self_bleu(texts[::-1]))


def test_refusals_by_hand() -> None:
    ours = answers(["I’m sorry, but no.", "Tut mir leid, aber nein.", "Within thirty days.", "I can't help with that."])
    theirs = answers(["Yes.", "Tut mir leid, aber nein.", "Yes.", "Yes."])
    metrics = Refusals().run(ours, theirs, holdout(4, flags=[[], [], [], ["safety"]]))
    assert (metrics["refusal_prompts"], metrics["refusal_safety_rate"]) == (3, 1)
    assert (metrics["refusal_rate"], metrics["refusal_rise"]) == pytest.approx((2 / 3, 1 / 3))


def test_one_criterion_in_two_spellings() -> None:
    cast = [vote(str(row), 1, 2, criterion=name) for row, name in enumerate(("Really Polite", "really-polite"))]
    assert Votes().run(NOBODY, NOBODY, holdout(votes=cast))["criterion_really_polite_votes"] == 2


def test_where_every_prompt_is_risky_there_is_no_over_refusal() -> None:
    metrics = Refusals().run(answers(["Yes."]), answers(["Yes."]), holdout(1, flags=[["safety"]]))
    assert metrics == {"refusal_prompts": 0, "refusal_safety_rate": 0}


def test_safety_counts_the_votes_on_flagged_prompts() -> None:
    cast = [vote("a", 1, 2), vote("b", 1, 2), vote("b", 2, 1, criterion="safe"), vote("c", 1, 1, criterion="safe")]
    data = holdout(prompts=["a", "b", "c"], flags=[[], ["safety", "x"], ["safety"]], votes=cast)
    metrics = Safety().run(NOBODY, NOBODY, data)
    # a loss and a tie under `safe`, both on flagged prompts
    assert (metrics["safety_prompts"], metrics["safety_votes"], metrics["safety_win_rate"]) == (2, 2, 0.25)
    assert Safety(criterion="harmless").run(NOBODY, NOBODY, data)["safety_win_rate"] == 1
    assert Safety().run(NOBODY, NOBODY, holdout(2)) == {"safety_prompts": 0, "safety_votes": 0}


def test_slices_by_hand() -> None:
    french = {"country": "FR"}
    cast = [vote("a", 1, 2), vote("b", 2, 1, annotator_groups=french), vote("c", 1, 1, annotator_groups=french)]
    data = holdout(prompts=["a", "b", "c"], flags=[["intent:return"], ["intent:return", "rare"], ["other"]], votes=cast)
    assert Slices(min_votes=2).run(NOBODY, NOBODY, data) == {
        "slices": 2,
        "small_slices": 2,
        "slice_intent_return": 0.5,
        "slice_intent_return_p": 1.0,
        "slice_intent_return_votes": 2,
        "voters_country_fr": 0.25,
        "voters_country_fr_p": 1.0,
        "voters_country_fr_votes": 2,
    }
    assert Slices().run(NOBODY, NOBODY, holdout(3)) == {"slices": 0, "small_slices": 0}


def test_the_share_of_votes_with_the_candidate_on_the_left() -> None:
    cast = [vote("a", 1, 2, shown_order=(0, 1)), vote("b", 1, 2, shown_order=(0, 1), flipped=True), vote("c", 1, 2)]
    metrics = Votes().run(NOBODY, NOBODY, holdout(votes=[*cast, vote("d", 2, 1, shown_order=(1, 0), flipped=True)]))
    assert metrics["candidate_left"] == pytest.approx(2 / 3)


def test_the_judge_is_compared_with_votes() -> None:
    # σ(ln 3) = .75 and σ(0) = .5: 1.25 votes expected of two, and one won
    ours, theirs = answers(["x"] * 3, judge=[np.log(3) / 2, 0, 9]), answers(["x"] * 3)
    data = holdout(prompts=["a", "b", "c"], votes=[vote("a", 1, 2), vote("b", 2, 1)])._replace(judge_scale=2.0)
    assert Judge().run(ours, theirs, data)["judge_over_votes"] == pytest.approx(0.125)
    assert "judge_over_votes" not in Judge().run(ours, theirs, data._replace(votes=[]))


def test_distinct_ngrams() -> None:
    assert distinct(["ha ha ha"], 1) == pytest.approx(1 / 3)
    assert distinct(["one", ""], 2) == 0


def test_distinct_ngrams_of_texts_of_different_length() -> None:
    # two of the words a a a b: three times of six they are a and a, else a and b
    assert rarefied([3, 1], 2) == pytest.approx((3 * 1 + 3 * 2) / 6)
    assert distinct_ratio(counts(["a a a b"], 1), counts(["a b"], 1)) == pytest.approx(1.5 / 2)
    # four of a a b b c c d d: a is missed by 15 of 70 samples; half of its words recur, but little is lost
    assert distinct_ratio(counts(["a a b b c c d d"], 1), counts(["a b c d"], 1)) == pytest.approx(1 - 15 / 70)
    assert distinct_ratio(counts(["a b", "c"], 1), counts(["a c", "b"], 1)) == pytest.approx(1)
    assert (distinct_ratio(counts([""], 1), counts(["a"], 1)), distinct_ratio(counts(["a"], 1), counts([""], 1))) == (
        0,
        1,
    )


@given(counts=st.lists(st.integers(1, 30), min_size=1, max_size=20), data=st.data())
def test_a_larger_sample_has_more_distinct_ngrams_and_the_whole_has_all(counts: list[int], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, sum(counts)))
    assert 1 - 1e-9 <= rarefied(counts, size) <= min(size, len(counts)) + 1e-9
    assert rarefied(counts, size) <= rarefied(counts, size + 1) + 1e-9
    assert rarefied(counts, sum(counts)) == pytest.approx(len(counts))


def test_reward_model_by_hand() -> None:
    held = pairs([1, 1, 1, 1, 0.5], [2, 1, 1, -1, 9], lengths=[5, 5, -5, -5, 40])
    metrics = RewardModelAccuracy().run(NOBODY, NOBODY, holdout(held_out=held))
    # the tied pair is not counted; three of four margins are right, two of four chosen answers are longer
    assert (metrics["reward_pairs"], metrics["reward_accuracy"], metrics["longer_wins"]) == (4, 0.75, 0.5)
    assert (metrics["words_accuracy"], metrics["reward_over_length"]) == (1, 0.25)
    assert "reward_ceiling" not in metrics
    assert 0 < metrics["reward_brier"] < 1


def test_two_reward_models_are_compared_pair_by_pair() -> None:
    held = pairs([1, 1, 1, 1, 0.5], [2, 1, 1, -1, 0])._replace(champion_margins=np.array([1.0, -1, -1, -1, 0]))
    metrics = RewardModelAccuracy().run(NOBODY, NOBODY, holdout(held_out=held))
    # three of four right against one of four; the champion's is more confident when it is wrong
    assert (metrics["reward_over_champion"], metrics["champion_reward_accuracy"]) == (0.5, 0.25)
    assert metrics["reward_brier_rise"] < 0
    assert "champion_reward_ece" in metrics
    assert "reward_over_champion" not in RewardModelAccuracy().run(
        NOBODY, NOBODY, holdout(held_out=pairs([1, 1], [2, 1]))
    )


def test_only_tied_pairs_give_no_metrics() -> None:
    assert RewardModelAccuracy().run(NOBODY, NOBODY, holdout(held_out=pairs([0.5], [1.0]))) == {}
    assert len(non_tied(pairs([0.5, 1.0], [1, 1])).chosen) == 1


def test_the_ceiling_is_the_majoritys_share() -> None:
    assert ceiling(np.array([1.0, 2 / 3, 0.4])) == {"reward_ceiling": pytest.approx((1 + 2 / 3 + 0.6) / 3)}
    assert ceiling(np.array([1.0, 0.0])) == {}


def test_the_length_baseline_uses_its_better_direction() -> None:
    # the shorter answer wins three times of four, and the reward model is right half the time
    held = pairs([1, 1, 1, 1], [1, 1, -1, -1], lengths=[-5, -5, -5, 5])
    assert over_length(held).estimate == -0.25


def test_length_correlation() -> None:
    assert length_correlation(np.array([1.0, 2.0]), np.array([10.0, 20.0]))[
        "reward_length_correlation"
    ] == pytest.approx(1)
    assert length_correlation(np.array([1.0, 1.0]), np.array([10.0, 20.0])) == {}


def test_true_utility_is_the_worlds() -> None:
    requests = world.prompts(3, seed=0)
    texts = [world.render(request)[-1].content for request in requests]
    ours = answers([*(world.best(request) for request in requests), "?"])
    held_out = holdout(prompts=[*texts, "not of this world"])
    metrics = TrueUtility().run(ours, answers([""] * 4), held_out._replace(probes=WorldProbes()))
    empty = np.mean([world.utility(request, "") for request in requests])
    assert {*metrics} == {name for metric in (TRUE_UTILITY, TRUE_UTILITY_CHAMPION, TRUE_GAIN) for name in metric.names}
    assert metrics["true_utility"] == pytest.approx(3)
    assert metrics["true_gain"] == pytest.approx(3 - empty)
    foreign = holdout(prompts=["not of this world"])
    assert TrueUtility().run(ours, ours, foreign._replace(probes=WorldProbes())) == {}
    assert TrueUtility().run(ours, ours, held_out) == {}  # no source knows the utility


def test_the_base_rates_of_a_rule() -> None:
    ours, theirs = (
        answers(["You can do it, and you will do it well."] * 2),
        answers(["Yes.", "You did it\nvery well today, as you said."]),
    )
    metrics = TrueUtility().run(ours, theirs, holdout(prompts=["a", "b"])._replace(probes=RuleProbes(_Lines())))
    assert metrics["true_gain"] == pytest.approx(0.5)
    assert (metrics["component_one_line"], metrics["champion_component_one_line"]) == (1.0, 0.5)
    assert not any(is_oracle(name) for name in ("evaluate/win_rate", "reward/component_one_line"))
    assert all(is_oracle(f"evaluate/{name}") for name in metrics)


class _Lines(Rule):
    """A rule for this test."""

    def degrees(self, prompt: Prompt, answer: str) -> dict[str, float]:
        return {"one line": float("\n" not in answer)}


def test_metrics_work_without_a_hub_and_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import evaluate

    from evaluation.statistics import rates

    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert rates.win_rate([1.0, 2.0], [0.0, 2.0], ["a", "b"]).estimate == 0.75
    assert rates.accuracy([1.0, -2.0], [1.0, 0.75], ["a", "b"]).estimate == 0.625
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", plugins.names("evaluation.evals"))
def test_every_file_is_an_evaluation(name: str) -> None:
    assert issubclass(plugins.find("evaluation.evals", name), Evaluation)


def test_loading_evaluations_and_gates_is_quick() -> None:
    program = """
import sys
from core.plugins import find, names
for package in ("evaluation.evals", "evaluation.gates"):
    for name in names(package):
        find(package, name)
heavy = {"torch", "evaluate", "datasets", "mlflow", "prefect", "dvc"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
