"""Win rates by slice: by flag of the prompt, and by group of the voter."""

from collections import defaultdict
from collections.abc import Iterator

from pydantic import Field

from core.metrics import Metric
from evaluation.evals import Answers, Evaluation, Holdout, Metrics, named
from evaluation.evals.votes import OVERALL, Ballot, count, won
from evaluation.statistics.intervals import flip_test
from feedback.schema import FeedbackEvent, prompt_id

SLICES = Metric(
    "slices",
    "evaluate",
    "slices",
    "none",
    "Slices with enough votes (`evaluate.evals.slices.min_votes`) to be reported below.",
)
SMALL_SLICES = Metric(
    "small_slices",
    "evaluate",
    "slices",
    "down",
    "Slices with too few votes, which are not reported.",
)
SLICE = Metric(
    "slice_<flag>",
    "evaluate",
    "share",
    ".5 or more",
    "Win rate on the prompts with a [flag](feedback.md#flags). The gate `slices` rejects if one is significantly below "
    ".5 (Holm 1979), even if the overall win rate is above it.",
    ends=("_p",),
    rare=True,
)
SLICE_VOTES = Metric(
    "slice_<flag>_votes",
    "evaluate",
    "votes",
    "up",
    "Fresh votes on these prompts.",
    rare=True,
)
VOTERS = Metric(
    "voters_<group>",
    "evaluate",
    "share",
    ".5 or more",
    "Win rate in the votes of one group of people, by their `annotator_groups`.",
    ends=("_p",),
    rare=True,
)
VOTERS_VOTES = Metric(
    "voters_<group>_votes",
    "evaluate",
    "votes",
    "up",
    "Fresh votes of this group.",
    rare=True,
)


class Slices(Evaluation):
    """Win rate in fresh votes, ties half, on the prompts of each flag and among the voters of each group."""

    min_votes: int = Field(30, ge=1)
    """Fresh votes that a slice needs to be reported."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Count the overall votes of each slice."""
        metrics: Metrics = {SLICES: 0, SMALL_SLICES: 0}
        for name, cast in sorted(_slices(data).items()):
            if len(cast) >= self.min_votes:
                wins = [won(ballot) for ballot in cast]
                p = flip_test(wins, [ballot.group for ballot in cast])
                metrics |= {name: sum(wins) / len(wins), f"{name}_p": p, f"{name}_votes": len(cast)}
                metrics[SLICES] += 1
            else:
                metrics[SMALL_SLICES] += 1
        return metrics


def _slices(data: Holdout) -> dict[str, list[Ballot]]:
    """The overall votes under each slice's name: `slice_<flag>` of prompts, `voters_<group>` of people."""
    flags = {prompt_id(prompt): flags for prompt, flags in zip(data.prompts, data.flags, strict=False)}
    slices: defaultdict[str, list[Ballot]] = defaultdict(list)
    for vote in data.votes:
        for ballot in count([vote]).get(OVERALL, []):
            for name in {*_groups(vote), *(SLICE.of(named(flag)) for flag in flags.get(vote.prompt_id, ()))}:
                slices[name].append(ballot)
    return slices


def _groups(vote: FeedbackEvent) -> Iterator[str]:
    """The slices of a voter, from the groups in the event: `{"country": "FR"}` becomes `voters_country_fr`."""
    for kind, group in vote.annotator_groups.items():
        yield VOTERS.of(named(f"{kind} {group}"))
