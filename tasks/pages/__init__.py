"""Pages about a round: model and data cards, plots, the drift page."""
