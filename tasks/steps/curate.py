"""curate: from events to what models learn from: preferences, prompts and demonstrations, split by prompt group."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field

from core.errors import BadFeedback
from core.files import replacing
from core.knobs import BaseSettings
from feedback import preferences, store
from feedback import prompts as asked
from feedback.agreement import Agreement
from feedback.measured import (
    CURATE_ABSTAINED,
    CURATE_AGREEMENT,
    CURATE_AGREEMENT_ALPHA,
    CURATE_CONFLICTING,
    CURATE_DEMONSTRATIONS,
    CURATE_EQUAL_ANSWERS,
    CURATE_EVENTS,
    CURATE_HOLDOUT,
    CURATE_HOLDOUT_PROMPTS,
    CURATE_INACTIVE,
    CURATE_JUDGE,
    CURATE_LEAKED,
    CURATE_MERGED,
    CURATE_PROMPTS,
    CURATE_QUARANTINE_SHARE,
    CURATE_QUARANTINED,
    CURATE_REPEATED,
    CURATE_SHARED_PAIRS,
    CURATE_TIES,
    CURATE_TRAIN,
    CURATE_VOTES,
)
from feedback.preferences import Counts
from feedback.prompts import PromptRow
from feedback.rows import DemonstrationRow, PreferenceRow
from feedback.schema import FeedbackEvent
from feedback.split import SplitSettings
from feedback.terms import UsageTerms, terms_by_source, usage_terms
from tasks.state import tables
from tasks.state.intake import IngestSettings
from tasks.state.leakage import leaked
from tasks.state.reports import CurateReport, Numbers
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import table as path_of

PARTS = ("train", "judge", "holdout")
SIZES = (CURATE_TRAIN, CURATE_JUDGE, CURATE_HOLDOUT)
"""How many pairs each part has."""


class CurateSettings(BaseSettings):
    """How events become training data."""

    split: SplitSettings = SplitSettings()
    """Shares of the prompt groups. Frozen in effect: change them and held-out prompts move into training."""
    criterion: str = "overall"
    """The judgement that the reward model learns."""
    chosen_as_demonstrations: bool = False
    """Also learn to imitate the preferred answers of the train part, for feedback without demonstrations."""
    min_holdout: int = Field(20, ge=1)
    """Held-out pairs below which a round is refused: it could not be judged."""


def curate(round: Round, log: StepLog) -> None:
    """Rebuild all derived tables from the feedback store, and the data card.

    Raises:
        BadFeedback: there are pairs, but too few to hold any out.
    """
    knobs, workspace = round.knobs("curate", CurateSettings), round.workspace
    events = store.events(workspace.feedback)
    judged = preferences.preferences(events, knobs.split, round.salt, knobs.criterion)
    pairs = judged.rows
    shown = preferences.demonstrations(events, knobs.split, round.salt)
    if knobs.chosen_as_demonstrations:
        shown += _imitated(pairs)
    if not _more_to_come(round):
        _check(pairs, knobs)
    _write_parts(workspace.preferences, {part: _of(pairs, part) for part in PARTS}, preferences.preference_table)
    tables.write(path_of(workspace.preferences, "votes"), preferences.vote_table(judged.votes))
    shown = [row for row in shown if row.split != "holdout"]  # the judge only has to differ in its preferences
    _write_parts(workspace.demonstrations, {"train": shown}, preferences.demonstration_table)
    prompts = asked.prompts(events, knobs.split, round.salt)
    _write_parts(workspace.prompts, {part: _of(prompts, part) for part in ("train", "holdout")}, asked.prompt_table)
    numbers: Numbers = {
        **_counts(judged.counts),
        **_agreement(judged.agreement),
        **{metric: len(_of(pairs, part)) for metric, part in zip(SIZES, PARTS, strict=True)},
        CURATE_DEMONSTRATIONS: len(shown),
        CURATE_PROMPTS: len(_of(prompts, "train")),
        CURATE_HOLDOUT_PROMPTS: len(_of(prompts, "holdout")),
        CURATE_QUARANTINED: len(store.rejections(workspace.feedback)),
        **_quarantine_share(round),
        CURATE_LEAKED: leaked(workspace),
    }
    log(numbers, 0, 1)
    report = CurateReport(
        metrics=numbers,
        kinds=judged.counts.kinds,
        sources=terms_by_source(events),
        terms=_terms(events, pairs, shown, prompts),
    )
    report.save(workspace.report("curate"))


def _counts(found: Counts) -> Numbers:
    return {
        CURATE_EVENTS: found.events,
        CURATE_INACTIVE: found.inactive,
        CURATE_EQUAL_ANSWERS: found.equal_answers,
        CURATE_REPEATED: found.repeated,
        CURATE_ABSTAINED: found.abstained,
        CURATE_VOTES: found.votes,
        CURATE_TIES: found.ties,
        CURATE_MERGED: found.merged,
        CURATE_CONFLICTING: found.conflicting,
    }


def _agreement(found: Agreement | None) -> dict[str, float]:
    if found is None:
        return {}
    numbers: dict[str, float] = {CURATE_SHARED_PAIRS: found.pairs, CURATE_AGREEMENT: found.share}
    return numbers if found.alpha is None else {**numbers, CURATE_AGREEMENT_ALPHA: found.alpha}


def _quarantine_share(round: Round) -> dict[str, float]:
    """Share of the records that no verdict has judged yet and that could not be used; {} where there are none.

    Round 0 has no verdict: its records are judged with those of round 1.
    """
    folder, numbers = round.workspace.feedback, (0, 1) if round.number == 1 else (round.number,)
    refused = sum(len(store.rejections(folder, number)) for number in numbers)
    taken = sum(store.count(folder, number) for number in numbers)
    return {CURATE_QUARANTINE_SHARE: refused / (refused + taken)} if refused + taken else {}


def _terms(
    events: Sequence[FeedbackEvent],
    pairs: Sequence[PreferenceRow],
    shown: Sequence[DemonstrationRow],
    prompts: Sequence[PromptRow],
) -> UsageTerms:
    """What the givers allowed of what reward model, judge, SFT or policy learn from."""
    chosen = [row.feedback_ids for row in pairs if row.split != "holdout"] + [row.feedback_ids for row in shown]
    learned = {identity for ids in chosen for identity in ids}
    return usage_terms(events, learned, {row.prompt_id for row in _of(prompts, "train")})


def _more_to_come(round: Round) -> bool:
    """True in round 0, which needs no pairs, where a source will label answers in round 1."""
    return round.number == 0 and any(source.labels for source in round.knobs("ingest", IngestSettings).sources)


def _check(pairs: Sequence[Any], knobs: CurateSettings) -> None:
    held_out = len(_of(pairs, "holdout"))
    if pairs and held_out < knobs.min_holdout:
        raise BadFeedback(
            f"{len(pairs)} pairs leave {held_out} held out, need {knobs.min_holdout} (curate.min_holdout): a round on "
            "them could not be judged; bring more feedback or enlarge curate.split.holdout"
        )


def _imitated(pairs: Sequence[PreferenceRow]) -> list[DemonstrationRow]:
    """The preferred answers as demonstrations, each once; in a tie neither is preferred."""
    best = {(repr(row.prompt), row.chosen): row for row in pairs if row.p_chosen > 0.5}
    return [
        DemonstrationRow(row.group, row.split, row.prompt, row.chosen, 1.0, row.feedback_ids) for row in best.values()
    ]


def _of(rows: Sequence[Any], part: str) -> list[Any]:
    return [row for row in rows if row.split == part]


def _write_parts(folder: Path, parts: Mapping[str, Sequence[Any]], table: Callable[[Any], pa.Table]) -> None:
    """One file a part; the folder is replaced whole."""
    with replacing(folder) as draft:
        draft.mkdir()
        for part, rows in parts.items():
            tables.write(path_of(draft, part), table(rows))
