"""evaluate: fresh votes, judge and reward model say whether the candidate's answers beat the champion's."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, SerializeAsAny

from core.files import write_json
from core.knobs import BaseSettings
from core.plugins import chosen, used_by_name
from evaluation.evals import CANDIDATE, CHAMPION, Answers, Evaluation, Holdout, HoldoutPairs, Metrics, Row
from evaluation.evals.reward_model import REWARD_CEILING
from evaluation.statistics.baseline import words
from feedback import store
from feedback.probes import Probes
from feedback.schema import FeedbackEvent, Message
from feedback.votes import effective
from models.calibration import calibration
from models.reward import RewardModel
from models.rollout import SamplingSettings
from tasks.people import ballots
from tasks.state import tables
from tasks.state.intake import IngestSettings
from tasks.state.reports import EvaluateReport, Example
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import table
from tasks.steps.evaluate.bench import bench
from tasks.steps.sample import SampleSettings
from tasks.steps.vote import VoteSettings

EXAMPLES = 3
"""Prompts shown with the answers before and after."""

Rows = Sequence[tables.Row]


EVALS = (
    *("votes", "slices", "safety", "judge", "reward_model", "answers", "diversity", "refusals", "true_utility"),
    *("adversarial", "red_team"),
)


class EvaluateSettings(BaseSettings):
    """What is measured about the candidate."""

    evals: Annotated[dict[str, SerializeAsAny[Evaluation] | None], used_by_name("evaluation.evals", *EVALS)] = Field(
        default_factory=dict, validate_default=True
    )
    """Evaluations by name, with their knobs; only `null` leaves one out."""


def evaluate(round: Round, log: StepLog) -> None:
    """Compare the candidate with the champion on their answers, the votes on them, and held-out pairs."""
    workspace = round.workspace
    samples = tables.rows(workspace.sampled)
    candidate, champion = _answers(samples, CANDIDATE), _answers(samples, CHAMPION)
    reward, judge = (RewardModel.load(workspace.checkpoint(name)) for name in ("reward", "judge"))
    asked = _asked(round, samples)
    with log.learning():
        pairs = _pairs(round, reward, judge)
    kept: dict[str, list[Row]] = {}
    held_out = Holdout(
        prompts=[tuple(Message(**turn) for turn in prompt["prompt"]) for prompt in asked],
        groups=[sample["group"] for sample in samples],
        votes=_votes(round),
        pairs=pairs,
        flags=[prompt["flags"] for prompt in asked],
        judge_scale=judge.std / judge.temperature,
        bench=bench(round, SamplingSettings(temperature=round.knobs("sample", SampleSettings).temperature), log, kept),
        probes=_probes(round),
    )
    numbers: Metrics = {}
    for evaluation in chosen(round.knobs("evaluate", EvaluateSettings).evals):
        numbers |= evaluation.run(candidate, champion, held_out)
    numbers |= _ceiling(round)
    log(numbers, 0, 1)
    report = EvaluateReport(metrics=dict(numbers), examples=_examples(samples), calibration=_reliability(pairs))
    write_json(workspace.report("probes"), kept)
    report.save(workspace.report("evaluate"))


def _answers(samples: Rows, who: str) -> Answers:
    """What one of the two answered."""
    columns = {name: [sample[f"{who}_{name}"] for sample in samples] for name in Answers._fields}
    return Answers(columns.pop("texts"), **{name: np.array(column) for name, column in columns.items()})


def _asked(round: Round, samples: Rows) -> list[tables.Row]:
    """The prompts that were answered, with their turns and with what sets each apart from others."""
    rows = tables.rows(table(round.workspace.prompts, "holdout"))
    known = {row["prompt_id"]: row for row in rows}
    return [known[sample["prompt_id"]] for sample in samples]


def _probes(round: Round) -> Probes | None:
    """Those of the first source that brings some."""
    found = (source.probes() for source in round.knobs("ingest", IngestSettings).sources)
    return next((probes for probes in found if probes), None)


def _votes(round: Round) -> list[FeedbackEvent]:
    """The votes that stand on this round's pairs; earlier ones of a round that was opened anew are on others."""
    workspace = round.workspace
    name = ballots.batch(workspace)
    cast = store.events(workspace.votes, {round.number})
    return effective(vote for vote in cast if vote.batch_id == name)


def _pairs(round: Round, reward: RewardModel, judge: RewardModel) -> HoldoutPairs:
    """Held-out preferences, with what both models and the words say of them."""
    rows = tables.rows(table(round.workspace.preferences, "holdout"))
    return HoldoutPairs(
        chosen=[row["chosen"] for row in rows],
        rejected=[row["rejected"] for row in rows],
        p_chosen=np.array([row["p_chosen"] for row in rows]),
        groups=[row["group"] for row in rows],
        margins=reward.margins(rows) / reward.temperature,
        judge_margins=judge.margins(rows) / judge.temperature,
        words=words(tables.rows(table(round.workspace.preferences, "train")), rows),
        champion_margins=_champion_margins(round, rows),
    )


def _champion_margins(round: Round, rows: Rows) -> npt.NDArray[np.float64] | None:
    """What the reward model of the champion's round says of the same pairs; None where it learned from none."""
    place = round.workspace.previous_reward
    if not place.exists():
        return None
    model = RewardModel.load(place)
    return model.margins(rows) / model.temperature


def _ceiling(round: Round) -> Metrics:
    """The best accuracy that any model can have on the held-out votes, where the annotator's noise is known."""
    rows = tables.rows(table(round.workspace.preferences, "holdout"))
    annotator = round.knobs("vote", VoteSettings).annotator
    known = annotator.ceiling(rows) if annotator else None
    return {} if known is None else {REWARD_CEILING: known}


def _examples(samples: Rows) -> tuple[Example, ...]:
    return tuple(
        Example(prompt=sample["prompt"], before=sample[f"{CHAMPION}_texts"], after=sample[f"{CANDIDATE}_texts"])
        for sample in samples[:EXAMPLES]
    )


def _reliability(pairs: HoldoutPairs) -> dict[str, tuple[float, ...]]:
    """The reliability diagram of the reward model, as plain lists."""
    bins = calibration(pairs.margins, pairs.p_chosen).bins
    return {name: tuple(column.tolist()) for name, column in bins._asdict().items()}
