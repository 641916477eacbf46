"""The tiny profile: a whole round takes seconds. Its models are too small to learn much; it tests that a round runs."""

from tasks.state.gates import GATES

TINY = (
    "model.width=32",
    "model.heads=2",
    "model.layers=1",
    "model.feed_forward=64",
    "model.vocabulary=768",
    "model.max_prompt_tokens=64",
    "model.max_answer_tokens=32",
    "ingest.sources=[{use: simulated, demonstrations: 250}]",
    "collect.prompts=240",
    "curate.min_holdout=5",
    "sft.epochs=12",
    "reward.epochs=1",
    "policy.steps=4",
    "policy.checkpoint_every=1",
    "policy.episodes=16",
    "policy.minibatch=8",
    "policy.sampling.batch=32",
    "sample.prompts=40",
    "evaluate.evals.adversarial.pairs=4",
    "evaluate.evals.red_team.prompts=20",
)


def only(gate: str, knobs: str) -> str:
    """The one gate that a candidate has to pass."""
    return f"verdict.gates={{{gate}: {knobs}, {', '.join(f'{name}: null' for name in GATES if name != gate)}}}"


PROMOTE = only("kl_budget", "{limit: 1000, limit_p95: 1000}")
"""The verdict is promote: the one gate that is left asks for next to nothing."""

HOLD = only("win_rate", "{min_votes: 200}")
"""The verdict is hold: 40 prompts bring 40 votes."""
