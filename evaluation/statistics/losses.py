"""Which of several win rates are significantly below one half, adjusted for multiple tests."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evaluation.statistics.intervals import holm


class Losses(NamedTuple):
    """Win rates by name, in alphabetical order, and the significant losses."""

    rates: dict[str, float]
    votes: dict[str, float]
    lost: list[str]
    """A description of each loss, lowest win rate first."""


def losses(metrics: Mapping[str, float], prefixes: Sequence[str], level: float) -> Losses:
    """The win rates whose names begin with a prefix, each with `_p` and `_votes`, and the losses among them.

    A loss has a rate below one half and a Holm-adjusted p-value below `level` (Holm 1979).
    """
    keys = {key[len(prefix) :]: key for key in sorted(metrics) for prefix in prefixes if key.startswith(prefix)}
    keys = {name: key for name, key in keys.items() if {f"{key}_p", f"{key}_votes"} <= metrics.keys()}
    rates = {name: metrics[key] for name, key in keys.items()}
    adjusted = dict(zip(rates, holm([metrics[f"{key}_p"] for key in keys.values()]), strict=True))
    lost = sorted((name for name in rates if rates[name] < 0.5 and adjusted[name] < level), key=rates.__getitem__)
    return Losses(
        rates=rates,
        votes={name: metrics[f"{key}_votes"] for name, key in keys.items()},
        lost=[
            f"{name}: {100 * rates[name]:.1f} % of the votes (Holm-adjusted p {adjusted[name]:.2g})" for name in lost
        ],
    )
