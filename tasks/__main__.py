"""`python -m tasks STEP`: one step without Prefect. This is what dvc.yaml calls."""

import sys

from core.errors import RoundsError
from tasks.state import round as rounds
from tasks.state.steplog import StepLog
from tasks.state.workspace import current
from tasks.steps.collect import collect
from tasks.steps.curate import curate
from tasks.steps.drift import drift
from tasks.steps.evaluate import evaluate
from tasks.steps.ingest import ingest
from tasks.steps.policy import policy
from tasks.steps.reward import reward
from tasks.steps.sample import sample
from tasks.steps.sft import sft
from tasks.steps.verdict import verdict
from tasks.steps.vote import vote

_IN_ORDER = (collect, ingest, curate, sft, reward, policy, sample, vote, evaluate, drift, verdict)

STEPS = {step.name: step for step in _IN_ORDER}


def main(words: list[str]) -> int:
    """Run the step that is named; its inputs are those of the round that was opened last."""
    if len(words) != 1 or words[0] not in STEPS:
        print(f"usage: python -m tasks STEP, where STEP is one of {', '.join(STEPS)}", file=sys.stderr)
        return 2
    try:
        STEPS[words[0]].fn(rounds.read(current()), StepLog())
    except RoundsError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
