"""The cost of a round: what its steps used, in money where a price is set, per point of win rate and per vote."""

from collections.abc import Mapping

from core.metrics import Metric
from core.stored import Value
from evaluation.evals.votes import VOTES, WIN_RATE
from tasks.state.prices import PriceSettings
from tasks.state.reports import Numbers
from tasks.state.usage import StepUsage, total

WALL_SECONDS = Metric(
    "wall_seconds",
    "cost",
    "seconds",
    "down",
    "Time that the steps ran, killed attempts included. Waits for people between steps do not count.",
)
CPU_SECONDS = Metric("cpu_seconds", "cost", "seconds", "down", "Processor time of the steps, over all cores.")
GPU_SECONDS = Metric(
    "gpu_seconds",
    "cost",
    "seconds",
    "down",
    "Time of training, sampling and judging, times the number of GPUs; 0 without a GPU.",
)
SAMPLED_TOKENS = Metric(
    "sampled_tokens",
    "cost",
    "tokens",
    "none",
    "Tokens of sampled answers: rollouts, and answers to be labelled, compared or tested.",
)
TRAINED_TOKENS = Metric(
    "trained_tokens",
    "cost",
    "tokens",
    "none",
    "Tokens of prompts and answers that a gradient was computed of, without padding: a token counts once per gradient "
    "step and model.",
)
PEAK_MEMORY = Metric("peak_memory", "cost", "bytes", "down", "Highest resident memory of a process of the round.")
GPU_PEAK_MEMORY = Metric(
    "gpu_peak_memory", "cost", "bytes", "down", "Highest memory of tensors on the GPU; 0 without a GPU."
)
SECONDS_PER_POINT = Metric(
    "seconds_per_point",
    "cost",
    "seconds",
    "down",
    "`cost/wall_seconds` per percentage point of `evaluate/win_rate` above 50 %; left out if there is none.",
    rare=True,
)
SECONDS_PER_VOTE = Metric(
    "seconds_per_vote", "cost", "seconds", "down", "`cost/wall_seconds` per vote of `evaluate/votes`.", rare=True
)
MONEY = Metric(
    "money",
    "cost",
    "currency of `prices.yaml`",
    "down",
    "`cost/wall_seconds`, times the price of an hour of the machine; left out without a price.",
    rare=True,
)
MONEY_PER_POINT = Metric(
    "money_per_point",
    "cost",
    "currency of `prices.yaml`",
    "down",
    "`cost/money` per percentage point of `evaluate/win_rate` above 50 %.",
    rare=True,
)
MONEY_PER_VOTE = Metric(
    "money_per_vote",
    "cost",
    "currency of `prices.yaml`",
    "down",
    "`cost/money` per vote of `evaluate/votes`.",
    rare=True,
)
STEP_WALL_SECONDS = Metric(
    "step_wall_seconds_<step>", "cost", "seconds", "down", "The part of `cost/wall_seconds` of a step that ran."
)
STEP_CPU_SECONDS = Metric(
    "step_cpu_seconds_<step>", "cost", "seconds", "down", "The part of `cost/cpu_seconds` of a step that ran."
)


class RoundCost(Value):
    """What a round used and cost."""

    steps: dict[str, StepUsage]
    """By step; skipped steps are missing."""
    hour: float | None = None
    """Price of an hour of the machine when the round was closed; None without a price."""
    currency: str | None = None
    """The currency of the price; None without one."""

    @property
    def total(self) -> StepUsage:
        """All steps together."""
        return total(self.steps.values())

    @property
    def money(self) -> float | None:
        """The price of the time that the steps ran; None without a price."""
        return None if self.hour is None else self.total.wall / 3600 * self.hour


def priced(steps: dict[str, StepUsage], prices: PriceSettings) -> RoundCost:
    """What the steps used, with the price of the machine."""
    return RoundCost(steps=steps, hour=prices.hour, currency=None if prices.hour is None else prices.currency)


def points(metrics: Mapping[str, float]) -> float | None:
    """Percentage points by which the candidate's win rate is above 50 %; None if it is not, or was not measured."""
    above = 100 * (metrics.get(WIN_RATE.full, 0.0) - 0.5)
    return above if above > 0 else None


def numbers(cost: RoundCost, metrics: Mapping[str, float]) -> Numbers:
    """The cost as metrics, by full name.

    Args:
        cost: of the round.
        metrics: what the round measured, by full name.
    """
    used, gained, votes = cost.total, points(metrics), metrics.get(VOTES.full)
    values: dict[str, float | None] = {
        WALL_SECONDS: used.wall,
        CPU_SECONDS: used.cpu,
        GPU_SECONDS: used.gpu,
        SAMPLED_TOKENS: used.sampled,
        TRAINED_TOKENS: used.trained,
        PEAK_MEMORY: used.memory,
        GPU_PEAK_MEMORY: used.gpu_memory,
        SECONDS_PER_POINT: _each(used.wall, gained),
        SECONDS_PER_VOTE: _each(used.wall, votes),
        MONEY: cost.money,
        MONEY_PER_POINT: _each(cost.money, gained),
        MONEY_PER_VOTE: _each(cost.money, votes),
    }
    for step, usage in cost.steps.items():
        values |= {STEP_WALL_SECONDS.of(step): usage.wall, STEP_CPU_SECONDS.of(step): usage.cpu}
    return {f"{WALL_SECONDS.step}/{name}": value for name, value in values.items() if value is not None}


def _each(amount: float | None, count: float | None) -> float | None:
    return None if amount is None or not count else amount / count
