"""Harm as a picture: a row a suspect, the most harmful on top, with the spread of a training that left nobody out."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.analysis.blame import Attributed, AttributionReport
from tasks.pages.plots import CANDIDATE, CHAMPION, GREY

KINDS = (("holdout", "held-out pairs", CANDIDATE, 0.12), ("votes", "fresh votes", CHAMPION, -0.12))


def plot(blame: AttributionReport) -> Figure:
    """Both kinds of harm with their 95 % intervals; grey: the control."""
    rows = [*blame.charges, blame.control]
    figure = Figure(figsize=(7, 1.4 + 0.42 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, charge in enumerate(reversed(rows)):
        for name, _, colour, shift in KINDS:
            _mark(axes, charge, name, colour if charge.suspect else GREY, place + shift)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [str(charge.suspect or "nobody") for charge in reversed(rows)])
    axes.set_xlabel("by how much the Brier score falls without them")
    axes.spines[["top", "right"]].set_visible(False)
    for _, label, colour, _ in KINDS:
        axes.plot([], [], "o", color=colour, label=label)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.5 / len(rows)), ncols=2)
    return figure


def _mark(axes: Axes, charge: Attributed, kind: str, colour: str, height: float) -> None:
    evidence = getattr(charge, kind)
    if evidence:
        harm = evidence.harm
        axes.plot([harm.low, harm.high], [height, height], color=colour, linewidth=1.5)
        axes.plot([harm.estimate], [height], "o", color=colour, markersize=5)
