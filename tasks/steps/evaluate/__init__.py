"""evaluate: compares the candidate's answers with the champion's, by fresh votes, judge model and reward model."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, SerializeAsAny

from core.files import write_json
from core.plugins import chosen, used_by_name
from core.settings import BaseSettings
from evaluation.evals import CANDIDATE, CHAMPION, Answers, Evaluation, Holdout, HoldoutPairs, Metrics, Row
from evaluation.evals.reward_model import HOLDOUT_EQUAL_AFTER_CUT, REWARD_CEILING
from evaluation.statistics.baseline import words
from feedback import store
from feedback.probes import Probes
from feedback.schema import FeedbackEvent, Message
from feedback.votes import effective
from models.calibration import calibration
from models.loading import Loader
from models.reward import RewardModel
from tasks.people import ballots
from tasks.state import loading, sampling, tables
from tasks.state.intake import IngestSettings
from tasks.state.reports import EvaluateReport, Example
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import table
from tasks.steps.evaluate.model_access import model_access
from tasks.steps.sample import SampleSettings
from tasks.steps.vote import VoteSettings

EXAMPLES = 3
"""Number of prompts whose answers the report quotes."""

Rows = Sequence[tables.Row]


EVALS = (
    *("votes", "slices", "safety", "judge", "reward_model", "answers", "diversity", "refusals", "true_utility"),
    *("adversarial", "red_team"),
)


class EvaluateSettings(BaseSettings):
    """The evaluations of a candidate."""

    evals: Annotated[dict[str, SerializeAsAny[Evaluation] | None], used_by_name("evaluation.evals", *EVALS)] = Field(
        default_factory=dict, validate_default=True
    )
    """Evaluations by name, with their knobs; `null` disables one."""


def evaluate(round: Round, log: StepLog) -> None:
    """Compare the candidate with the champion on their answers, the votes on them, and held-out pairs."""
    workspace = round.workspace
    samples = tables.rows(workspace.sampled)
    candidate, champion = _answers(samples, CANDIDATE), _answers(samples, CHAMPION)
    loader = loading.of_round(round)
    prompts = _prompts(round, samples)
    sampled = round.knobs("sample", SampleSettings).sampling
    with log.learning():
        pairs, judge_scale = _pairs(round, loader)
    probe_tables: dict[str, list[Row]] = {}
    numbers: Metrics = {}
    with sampling.of_step(round, "evaluate", sampled.batch) as source:
        held_out = Holdout(
            prompts=[tuple(Message(**turn) for turn in prompt["prompt"]) for prompt in prompts],
            groups=[sample["group"] for sample in samples],
            votes=_votes(round),
            pairs=pairs,
            flags=[prompt["flags"] for prompt in prompts],
            judge_scale=judge_scale,
            models=model_access(round, loader, sampled, log, probe_tables, source.sample),
            probes=_probes(round),
        )
        for evaluation in chosen(round.knobs("evaluate", EvaluateSettings).evals):
            numbers |= evaluation.run(candidate, champion, held_out)
    numbers |= _ceiling(round) | {HOLDOUT_EQUAL_AFTER_CUT: _held_out(round) - len(pairs.chosen)}
    log(numbers, 0, 1)
    report = EvaluateReport(metrics=dict(numbers), examples=_examples(samples), calibration=_reliability(pairs))
    write_json(workspace.report("probes"), probe_tables)
    report.save(workspace.report("evaluate"))


def _answers(samples: Rows, who: str) -> Answers:
    """The sampled answers of candidate or champion."""
    columns = {name: [sample[f"{who}_{name}"] for sample in samples] for name in Answers._fields}
    return Answers(columns.pop("texts"), **{name: np.array(column) for name, column in columns.items()})


def _prompts(round: Round, samples: Rows) -> list[tables.Row]:
    """The rows of the prompts that were answered, with turns and flags, in the order of the samples."""
    rows = tables.rows(table(round.workspace.prompts, "holdout"))
    by_id = {row["prompt_id"]: row for row in rows}
    return [by_id[sample["prompt_id"]] for sample in samples]


def _probes(round: Round) -> Probes | None:
    """The probes of the first source that has any."""
    offered = (source.probes() for source in round.knobs("ingest", IngestSettings).sources)
    return next((probes for probes in offered if probes), None)


def _votes(round: Round) -> list[FeedbackEvent]:
    """The effective votes on this round's pairs, without those cast before the round was reopened with other pairs."""
    workspace = round.workspace
    pairs_id = ballots.pairs_id(workspace)
    cast = store.events(workspace.votes, {round.number})
    return effective(vote for vote in cast if vote.batch_id == pairs_id)


class _Judged(NamedTuple):
    """What a reward model computes for held-out pairs."""

    margins: npt.NDArray[np.float64]
    """(n,) calibrated margins"""
    scale: float
    """Calibrated log-odds of one unit of its normalised score."""


def _pairs(round: Round, loader: Loader) -> tuple[HoldoutPairs, float]:
    """Held-out preferences, the margins of the reward models, and the word baseline's probabilities; the judge's scale.

    One model at a time is in memory.
    """
    workspace = round.workspace
    rows, reward = _distinguishable(round, loader.reward_model(workspace.checkpoint("reward")))
    judge = _judged(loader.reward_model(workspace.checkpoint("judge")), rows)
    before = workspace.previous_reward  # the champion's, which may have none
    pairs = HoldoutPairs(
        chosen=[row["chosen"] for row in rows],
        rejected=[row["rejected"] for row in rows],
        p_chosen=np.array([row["p_chosen"] for row in rows]),
        groups=[row["group"] for row in rows],
        margins=reward.margins,
        judge_margins=judge.margins,
        words=words(tables.rows(table(workspace.preferences, "train")), rows),
        champion_margins=_judged(loader.reward_model(before), rows).margins if before.exists() else None,
    )
    return pairs, judge.scale


def _judged(model: RewardModel, rows: Rows) -> _Judged:
    return _Judged(model.margins(rows) / model.temperature, model.std / model.temperature)


def _held_out(round: Round) -> int:
    """The number of held-out preferences."""
    return len(tables.load(table(round.workspace.preferences, "holdout")))


def _distinguishable(round: Round, reward: RewardModel) -> tuple[Rows, _Judged]:
    """The held-out preferences whose answers still differ once they are cut to the token limit, judged by `reward`."""
    stored = tables.rows(table(round.workspace.preferences, "holdout"))
    equal = reward.truncation(stored).equal
    rows = [row for ix, row in enumerate(stored) if ix not in equal]
    return rows, _judged(reward, rows)


def _ceiling(round: Round) -> Metrics:
    """The best accuracy that a model can reach on the held-out votes; {} unless the annotator's noise is known."""
    rows = tables.rows(table(round.workspace.preferences, "holdout"))
    annotator = round.knobs("vote", VoteSettings).annotator
    ceiling = annotator.ceiling(rows) if annotator else None
    return {} if ceiling is None else {REWARD_CEILING: ceiling}


def _examples(samples: Rows) -> tuple[Example, ...]:
    return tuple(
        Example(prompt=sample["prompt"], before=sample[f"{CHAMPION}_texts"], after=sample[f"{CANDIDATE}_texts"])
        for sample in samples[:EXAMPLES]
    )


def _reliability(pairs: HoldoutPairs) -> dict[str, tuple[float, ...]]:
    """The bins of the reward model's reliability diagram, by column."""
    bins = calibration(pairs.margins, pairs.p_chosen).bins
    return {name: tuple(column.tolist()) for name, column in bins._asdict().items()}
