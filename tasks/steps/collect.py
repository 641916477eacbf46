"""collect: the champion answers each prompt several times, for annotators to compare the answers in pairs."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations
from string import ascii_lowercase

from pydantic import Field

from core.settings import BaseSettings
from feedback import forgotten
from feedback import pairs as pair_files
from feedback.measured import COLLECT_ANSWERS, COLLECT_TOKENS
from feedback.schema import Message, Response
from feedback.sources import AnswerPair
from models.answering import answer
from models.policy import ModelSettings
from models.rollout import Sampler, SamplingSettings
from tasks.state import loading, sampling, served_answers, templates
from tasks.state.intake import IngestSettings
from tasks.state.reports import SampledReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog


class CollectSettings(BaseSettings):
    """Which answers are generated for labelling."""

    prompts: int = Field(1400, ge=0)
    """Prompts that the champion answers per round."""
    answers: int = Field(2, ge=2, le=len(ascii_lowercase))
    """Answers to each prompt, every two of which are judged (Ouyang et al. 2022, section 3.5): 4 answers give 6 pairs,
    where 2 prompts with 2 answers each give 2."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature of the champion's answers."""
    batch: int = Field(128, ge=1)
    """Answers sampled together: fewer need less memory, and change results by rounding only."""


def collect(round: Round, log: StepLog) -> None:
    """Write the pairs of answers to be labelled; none if no source labels answers, or if there is no champion yet."""
    knobs, ingest = round.knobs("collect", CollectSettings), round.knobs("ingest", IngestSettings)
    labelled = any(source.labels for source in ingest.sources)
    prompts = _prompts(round, ingest, knobs.prompts) if labelled and round.champion else []
    with log.learning(), sampling.of_step(round, "collect", knobs.batch) as source:
        texts, tokens = _answers(round, prompts, knobs, log, source.sample) if prompts else ([], 0)
    pair_files.write(round.workspace.answers, list(_pairs(round, prompts, texts, knobs.answers)))
    metrics = {COLLECT_ANSWERS: len(texts), COLLECT_TOKENS: tokens}
    SampledReport(metrics=metrics, sampler=source.name()).save(round.workspace.report("collect"))


def _prompts(round: Round, ingest: IngestSettings, count: int) -> list[tuple[Message, ...]]:
    """Up to `count` prompts from the sources that offer prompts; if none does, prompts of stored feedback."""
    seed = round.seed_for("collect")
    sources = [source.asking(partial(served_answers.prompts, round.workspace)) for source in ingest.sources]
    offered = [prompt for source in sources for prompt in source.prompts(count, seed)]
    stored = () if offered else forgotten.prompts(round.workspace.feedback, count, seed, round.forgotten)
    return templates.taken(round, offered[:count] or stored)


def _answers(
    round: Round, prompts: Sequence[tuple[Message, ...]], knobs: CollectSettings, log: StepLog, sampler: Sampler
) -> tuple[list[str], int]:
    """`knobs.answers` answers to each prompt, one after the other, and their total number of tokens."""
    limits = round.knobs("model", ModelSettings)
    champion = loading.of_round(round).policy(round.workspace.champion)
    sampling = SamplingSettings(temperature=knobs.temperature, batch=knobs.batch)
    repeated = [[turn.model_dump() for turn in prompt] for prompt in prompts for _ in range(knobs.answers)]
    answers = answer(champion, repeated, sampling, limits, round.seed_for("collect"), log, sampler)
    return answers.texts, int(answers.tokens.sum())


def _pairs(
    round: Round, prompts: Sequence[tuple[Message, ...]], texts: Sequence[str], answers: int
) -> Iterator[AnswerPair]:
    """Every two answers to a prompt, unless one is empty or they are equal.

    Two equal answers carry no preference, and an empty answer cannot be shown.
    """
    version, pairs = round.champion.version if round.champion else None, list(combinations(range(answers), 2))
    for index, prompt in enumerate(prompts):
        own = texts[index * answers : (index + 1) * answers]
        for number, sides in enumerate(pairs, index * len(pairs)):
            left, right = (own[side] for side in sides)
            if left.strip() and right.strip() and left != right:
                ids = [f"round-{round.number}-{index:05d}-{ascii_lowercase[side]}" for side in sides]
                shown = _response(ids[0], left, version), _response(ids[1], right, version)
                yield AnswerPair(f"{pair_files.COLLECTED}{round.number}-{number:05d}", prompt, shown)


def _response(response_id: str, text: str, version: str | None) -> Response:
    turn = Message(role="assistant", content=text)
    return Response(response_id=response_id, messages=(turn,), origin="model", model="policy", model_version=version)
