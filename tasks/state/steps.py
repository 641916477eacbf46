"""The table of steps: their names, in the order in which a round runs them. Other lists derive from it.

A step has the same name everywhere: its function in `tasks/steps/`, its stage in dvc.yaml, its section in the
parameters, the prefix of its metrics, and its child run in MLflow.
"""

STEPS = ("collect", "ingest", "curate", "sft", "reward", "policy", "sample", "vote", "evaluate", "drift", "verdict")
"""Every step of a round."""

BOOTSTRAP = STEPS[:4]
"""The steps of round 0, which trains the first model and has no champion to compare it with."""

MEASURING = STEPS[:-1]
"""The steps that report metrics: all but `verdict`, which only reads them."""
