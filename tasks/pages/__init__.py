"""What is shown: cards, plots, the drift page."""
