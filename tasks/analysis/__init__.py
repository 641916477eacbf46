"""Why: leave-one-out attribution, explanations of scores, the full drift report."""
