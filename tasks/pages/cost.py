"""The cost of a round in words, for the summary, the card and the dashboard."""

from collections.abc import Mapping

from evaluation.evals.votes import VOTES
from tasks.state.cost import RoundCost, points
from tasks.state.usage import StepUsage


def sentence(cost: RoundCost, metrics: Mapping[str, float]) -> str:
    """What a round used, and in money where there is a price: `1 min 40 s (6 min 3 s of CPU), 12,345 tokens …`.

    Args:
        cost: of the round.
        metrics: what the round measured, by full name.
    """
    used = cost.total
    parts = [f"{duration(used.wall)} ({processors(used)})"]
    if used.sampled or used.trained:
        parts.append(f"{used.sampled:,} tokens sampled, {used.trained:,} trained on")
    parts.append(f"peak memory {memory(used)}")
    if price := price_with_rates(cost, metrics):
        parts.append(price)
    return "; ".join(parts)


def price_with_rates(cost: RoundCost, metrics: Mapping[str, float]) -> str:
    """The cost in money, in all, per point of win rate above 50 % and per vote; empty without a price.

    Args:
        cost: of the round.
        metrics: what the round measured, by full name. A rate whose number was not measured, or is 0, is left out.
    """
    counts = {"point of win rate above 50 %": points(metrics), "vote": metrics.get(VOTES.full)}
    if cost.money is None:
        return ""
    rates = [f"{amount(cost.money / count)} {cost.currency} per {one}" for one, count in counts.items() if count]
    return ", ".join([money(cost), *rates])


def money(cost: RoundCost) -> str:
    """The cost in money; empty without a price."""
    return "" if cost.money is None else f"{amount(cost.money)} {cost.currency}"


def amount(value: float) -> str:
    """An amount of money with two decimals, or two digits if it is below 1."""
    return f"{value:,.2f}" if value >= 1 else f"{value:.2g}"


def processors(used: StepUsage) -> str:
    """The time of processors."""
    cpu = f"{duration(used.cpu)} of CPU"
    return f"{cpu}, {duration(used.gpu)} of GPU" if used.gpu else cpu


def memory(used: StepUsage) -> str:
    """The peak of memory."""
    main = f"{used.memory / 1e9:.1f} GB"
    return f"{main}, {used.gpu_memory / 1e9:.1f} GB of GPU" if used.gpu_memory else main


def duration(seconds: float) -> str:
    """A duration in its two largest units: `41 s`, `6 min 3 s`, `2 h 5 min`, `3 d 4 h`."""
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {smaller}"
    return f"{whole} s"
