from evaluation.statistics.losses import losses


def test_losses_are_holm_adjusted_and_the_worst_is_first() -> None:
    """Holm with three tests: .01 × 3 = .03, .02 × 2 = .04, .9 × 1."""
    rates = {"polite": (0.4, 0.02), "correct": (0.3, 0.01), "fluent": (0.6, 0.9)}
    metrics: dict[str, float] = {"win_rate": 0.5, "rate_short": 0.1}  # without p-value and votes: not a test
    for name, (rate, p) in rates.items():
        metrics |= {f"rate_{name}": rate, f"rate_{name}_p": p, f"rate_{name}_votes": 50}
    result = losses(metrics, ["rate_"], level=0.05)
    assert result.rates == {"correct": 0.3, "fluent": 0.6, "polite": 0.4}
    assert list(result.votes.values()) == [50] * 3
    assert [text.partition(":")[0] for text in result.lost] == ["correct", "polite"]
    assert ["0.03" in result.lost[0], "0.04" in result.lost[1]] == [True, True]
    assert [text.partition(":")[0] for text in losses(metrics, ["rate_"], level=0.035).lost] == ["correct"]
