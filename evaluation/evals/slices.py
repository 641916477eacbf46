"""The win rate slice by slice: by the flags of the prompts, and by the groups of those who voted."""

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
    "Slices with enough votes (`evaluate.evals.slices.min_votes`) to be told below.",
)
SMALL_SLICES = Metric(
    "small_slices",
    "evaluate",
    "slices",
    "down",
    "Slices with fewer, of which nothing is told.",
)
SLICE = Metric(
    "slice_<flag>",
    "evaluate",
    "share",
    ".5 or more",
    "Win rate on the prompts that bear a [flag](feedback.md#flags). Worry when one is lost while the whole is "
    "won: the gate `slices` looks for it (Holm 1979).",
    ends=("_p",),
    rare=True,
)
SLICE_VOTES = Metric(
    "slice_<flag>_votes",
    "evaluate",
    "votes",
    "up",
    "Fresh votes on them.",
    rare=True,
)
VOTERS = Metric(
    "voters_<group>",
    "evaluate",
    "share",
    ".5 or more",
    "Win rate among the people of a group, by the `annotator_groups` of their votes.",
    ends=("_p",),
    rare=True,
)
VOTERS_VOTES = Metric(
    "voters_<group>_votes",
    "evaluate",
    "votes",
    "up",
    "Their votes.",
    rare=True,
)


class Slices(Evaluation):
    """Win rate in fresh votes, ties half, on the prompts of each flag and among the voters of each group."""

    min_votes: int = Field(30, ge=1)
    """Fresh votes below which a slice is not reported: its rate would say nothing."""

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
    found: defaultdict[str, list[Ballot]] = defaultdict(list)
    for vote in data.votes:
        for ballot in count([vote]).get(OVERALL, []):
            for name in {*_groups(vote), *(SLICE.of(named(flag)) for flag in flags.get(vote.prompt_id, ()))}:
                found[name].append(ballot)
    return found


def _groups(vote: FeedbackEvent) -> Iterator[str]:
    """The groups that a voter belongs to, as the event states them: `{"country": "FR"}` is `voters_country_fr`."""
    for kind, group in vote.annotator_groups.items():
        yield VOTERS.of(named(f"{kind} {group}"))
