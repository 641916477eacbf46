"""The figures of the comparison with TRL's RewardTrainer, computed by hand; TRL is not installed here."""

from benchmarks import world
from benchmarks.reward_model import CASES, Held, Speed, memory_table, per_prompt, settings, table, targets
from feedback.world import parse, utility

ROWS = [
    Speed(".3M", 4, "ours", 10.0, 2.0, 1.0, 6000, 0.8),
    Speed(".3M", 4, "TRL", 30.0, 3.0, 0.0, 6000, 0.7),
    Speed(".3M", 4, "ours", 20.0, 2.0, 2.0, 6000, 0.9),
    Speed(".3M", 4, "TRL", 40.0, 3.0, 0.0, 6000, 0.8),
]


def test_the_ratio_is_that_of_pairs_per_second() -> None:
    figures = "450.0 | 175.0 | 2.50 (2.00 to 3.00, n = 2) | 0.850 | 0.750 | 1,500 | 1,000 | 10%"
    assert table(ROWS).splitlines()[2:] == [f"| .3M | 4 | ours | {figures} |"]
    assert targets(ROWS).endswith(": met (2.50).")


def test_every_number_of_answers_has_the_same_pairs_a_step() -> None:
    for case in CASES.values():
        sizes = {settings(case, answers, 0.0).batch * per_prompt(answers) for answers in (2, 4)}
        assert sizes == {case.prompts}
        assert case.pairs % per_prompt(4) == 0


def test_the_pairs_are_all_of_some_answers_and_the_better_is_chosen() -> None:
    rows = world.pairs(5, 4, 0)
    assert len(rows) == 5 * per_prompt(4)
    assert len({row[side] for row in rows[:6] for side in ("chosen", "rejected")}) == 4
    for row in rows:
        request = parse(row["prompt"][0]["content"])
        assert request
        assert utility(request, row["chosen"]) > utility(request, row["rejected"])


def test_memory_is_in_megabytes() -> None:
    assert memory_table([Held("ours", 50_000, 20_000_000, 30_000_000, 12.4)]).endswith(
        "| ours | 50,000 | 20 | 30 | 12 |"
    )
