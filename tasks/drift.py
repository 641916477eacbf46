"""drift: how far prompts, answers and rewards have moved since the round before. Logged, and no gate yet."""

from pathlib import Path

from pydantic import Field

from core.files import write_json
from core.knobs import Knobs
from tasks import tables
from tasks.distances import lengths, psi, wasserstein, word_divergence
from tasks.round import Round
from tasks.step import step
from tasks.steplog import StepLog


class Drift(Knobs):
    """What is compared with the round before."""

    bins: int = Field(10, ge=2)
    """Quantile bins of the population stability index."""


@step()
def drift(round: Round, log: StepLog) -> None:
    """Compare prompts and answers with the previous round's; the first round has nothing to compare with."""
    before, now = round.workspace.previous, round.workspace
    numbers: dict[str, float] = {}
    if (before / "samples" / "samples.arrow").exists():
        old, new = tables.load(before / "samples" / "samples.arrow"), tables.load(now.samples / "samples.arrow")
        bins = round.knobs("drift", Drift).bins
        for name, column in (("length", "candidate_tokens"), ("reward", "candidate_reward")):
            numbers[f"{name}_psi"] = psi(old[column], new[column], bins)
            numbers[f"{name}_wasserstein"] = wasserstein(old[column], new[column])
    if (before / "prompts" / "train.arrow").exists():
        texts = [_texts(folder / "train.arrow") for folder in (before / "prompts", now.prompts)]
        numbers["prompt_divergence"] = word_divergence(*texts)
        numbers["prompt_length_psi"] = psi(lengths(texts[0]), lengths(texts[1]))
    log(numbers, 0, 1)
    write_json(now.report("drift"), {"metrics": numbers})


def _texts(path: Path) -> list[str]:
    """What people asked last, of each prompt."""
    return [row["prompt"][-1]["content"] for row in tables.rows(path)]
