"""How people name one of two answers, and what they may say instead: the words of HTTP and of the label page."""

SIDES = {"left": 0, "right": 1}
"""Side → position in the order shown."""

TIES = {"tie": "tie", "both_good": "tie_both_good", "both_bad": "tie_both_bad"}
"""Word → the outcome of a judgement that prefers no answer."""

ABSTENTIONS = {"skip": "skip", "cannot_judge": "cannot_judge"}
"""Word → the outcome of a judgement that says nothing of the answers."""
