"""Plots of a round: reward against KL, calibration of the reward model, lengths of the answers."""

import json
from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.shown import shortened, shown
from models.measured import POLICY_OBJECTIVE_KL, POLICY_OBJECTIVE_SCORE
from tasks.state import tables
from tasks.state.reports import EvaluateReport
from tasks.state.round import Round

CANDIDATE, CHAMPION, GREY = "#0b6e4f", "#c8553d", "#888888"


def figures(round: Round) -> Iterator[tuple[str, Figure]]:
    """Yield file name and figure of each plot that the round has data for."""
    workspace = round.workspace
    if workspace.reported("policy").exists() and round.number:
        yield "reward_against_kl", reward_against_kl(round)
    if workspace.sampled.exists() and round.number:
        yield "lengths", lengths(round)
    if workspace.report("evaluate").exists() and round.number:
        bins = EvaluateReport.load(workspace.report("evaluate")).calibration
        yield "calibration", calibration(bins)


def reward_against_kl(round: Round) -> Figure:
    """Training curve: reward over KL divergence, one point per iteration (after Gao et al. 2023)."""
    points = [json.loads(line) for line in round.workspace.reported("policy").read_text().splitlines()]
    axis = (POLICY_OBJECTIVE_KL.full, POLICY_OBJECTIVE_SCORE.full)
    curve = [tuple(point[name] for name in axis) for point in points if all(name in point for name in axis)]
    figure, axes = _canvas("KL to the SFT model (nats per answer)", "reward (standard deviations)")
    if curve:  # an algorithm may report neither
        axes.plot(*zip(*curve, strict=True), marker="o", color=CANDIDATE)
        axes.annotate("start", curve[0], textcoords="offset points", xytext=(6, -12), color=GREY)
    return figure


def lengths(round: Round) -> Figure:
    """Histogram of answer lengths, candidate over champion."""
    samples = tables.load(round.workspace.sampled)
    figure, axes = _canvas("tokens per answer", "answers")
    columns = [("champion", CHAMPION), ("candidate", CANDIDATE)]
    top = max(max(samples[f"{who}_tokens"]) for who, _ in columns)
    for who, colour in columns:
        axes.hist(samples[f"{who}_tokens"], bins=list(range(0, top + 2, 2)), alpha=0.6, color=colour, label=who)
    axes.legend(frameon=False)
    return figure


def calibration(bins: Mapping[str, Sequence[float]]) -> Figure:
    """Reliability diagram: share of votes for the answer that the reward model prefers, over its confidence."""
    figure, axes = _canvas("confidence of the reward model in the answer it prefers", "share of votes for that answer")
    axes.plot([0.5, 1], [0.5, 1], color=GREY, linestyle=":", label="perfect")
    axes.plot(bins["confidence"], bins["accuracy"], marker="o", color=CANDIDATE, label="reward model")
    axes.legend(frameon=False)
    return figure


def label(text: str) -> str:
    """Untrusted text as a label: no formula (matplotlib reads `$…$` as one, and fails on a wrong one), at most 40
    characters."""
    return shortened(shown(" ".join(text.split())), 40).replace("$", r"\$")


def _canvas(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
