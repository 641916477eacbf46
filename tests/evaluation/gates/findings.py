"""Made-up metrics of evaluations, and the finding of a gate on them."""

from evaluation.evals import Metrics
from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs


def votes(rate: float, low: float, high: float, count: int = 512, groups: int = 60) -> Metrics:
    return {
        "evaluate/win_rate": rate,
        "evaluate/win_rate_low": low,
        "evaluate/win_rate_high": high,
        "evaluate/votes": count,
        "evaluate/vote_groups": groups,
    }


def judge(rate: float, low: float, high: float) -> Metrics:
    return {
        "evaluate/judge_win_rate": rate,
        "evaluate/judge_win_rate_low": low,
        "evaluate/judge_win_rate_high": high,
        "evaluate/judge_prompts": 300,
    }


def measured(name: str, estimate: float, half: float, **others: float) -> Metrics:
    """A metric of `evaluate` with its interval, ± half, and other metrics."""
    metrics = {name: estimate, f"{name}_low": estimate - half, f"{name}_high": estimate + half, **others}
    return {f"evaluate/{key}": value for key, value in metrics.items()}


def check(
    gate: Gate,
    candidate: Metrics,
    champion: Metrics | None = None,
    trust_judge: bool = False,
    votes_asked: int = 0,
) -> Finding:
    inputs = GateInputs(candidate=candidate, champion=champion or {}, trust_judge=trust_judge, votes_asked=votes_asked)
    return gate.check(inputs)
