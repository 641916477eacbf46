"""Plot of the harm: one row per subset, the first in the ranking on top, and the control."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.analysis.blame import AttributionReport, SubsetEffect
from tasks.pages.plots import CANDIDATE, CHAMPION, GREY, label

KINDS = (("holdout", "held-out pairs", CANDIDATE, 0.12), ("votes", "fresh votes", CHAMPION, -0.12))


def plot(blame: AttributionReport) -> Figure:
    """Harm on held-out pairs and on fresh votes with 95 % intervals; grey: the control."""
    results = [*blame.results, blame.control]
    figure = Figure(figsize=(7, 1.4 + 0.42 * len(results)), layout="constrained")
    axes = figure.subplots()
    for row, result in enumerate(reversed(results)):
        for name, _, colour, shift in KINDS:
            _draw_interval(axes, result, name, colour if result.subset else GREY, row + shift)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(results)), [label(str(result.subset or "control")) for result in reversed(results)])
    axes.set_xlabel("decrease of the Brier score when left out")
    axes.spines[["top", "right"]].set_visible(False)
    for _, name, colour, _ in KINDS:
        axes.plot([], [], "o", color=colour, label=name)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.5 / len(results)), ncols=2)
    return figure


def _draw_interval(axes: Axes, result: SubsetEffect, kind: str, colour: str, height: float) -> None:
    comparison = getattr(result, kind)
    if comparison:
        harm = comparison.harm
        axes.plot([harm.low, harm.high], [height, height], color=colour, linewidth=1.5)
        axes.plot([harm.estimate], [height], "o", color=colour, markersize=5)
