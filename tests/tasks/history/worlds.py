"""A small history of rounds for tests: rounds 0 and 1 promoted, round 2 on hold."""

from datetime import UTC, datetime, timedelta

from feedback.annotators import AnnotatorActivity
from tasks.history.lineage import History
from tasks.registry.archive import PastRound, StepOutput
from tasks.registry.versions import ModelVersion

DAWN = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = ("a" * 16, "b" * 16, "c" * 16)
RUNS = ("0" * 31 + "a", "1" * 31 + "b", "2" * 31 + "c")
COMMITS = ("ab" * 20, "ab" * 20, "cd" * 20)
SFT, FEEDBACK = "5" * 32 + ".dir", ("6" * 32 + ".dir", "7" * 32 + ".dir", "8" * 32 + ".dir")


def past(number: int, verdict: str | None) -> PastRound:
    """A round as read from its MLflow run; all rounds share the SFT model of round 0."""
    tags = {
        "round": str(number),
        "round_key": KEYS[number],
        "parent": KEYS[number - 1] if number else "none",
        "champion": str(number) if number else "none",
        "git_commit": COMMITS[number],
        "git_dirty": "false",
        "code": "f" * 16,
    }
    outputs = (StepOutput("sft", "data/checkpoints/sft", SFT), StepOutput("ingest", "data/feedback", FEEDBACK[number]))
    marks = {"verdict": verdict} if verdict else {}
    return PastRound(number, KEYS[number], RUNS[number], DAWN + timedelta(days=number), tags | marks, {}, outputs)


def version(name: str, number: str, round: int) -> ModelVersion:
    """A version that a round registered."""
    digest = f"{name[0]}{number}".encode().hex().ljust(64, "e")
    return ModelVersion(name, number, round, RUNS[round], digest, {"round_key": KEYS[round]}, DAWN)


def world() -> History:
    """Feedback of Ana in rounds 0 and 1 and of Ben in round 2; fresh votes of Cem in round 1."""
    return History(
        rounds=[past(0, "promote"), past(1, "promote"), past(2, "hold")],
        versions=[version("policy", "1", 0), version("policy", "2", 1), version("reward", "1", 1)],
        champion="2",
        feedback=[
            AnnotatorActivity("ana", "human", 0, 5),
            AnnotatorActivity("ana", "human", 1, 7),
            AnnotatorActivity("ben", "human", 2, 3),
        ],
        votes=[AnnotatorActivity("cem", "human", 1, 40)],
        local_keys=KEYS,
        parents_of=lambda text: {RUNS[1]} if text == "d" * 32 else set(),
    )
