"""sft: fine-tunes the base model on the demonstrations. Skipped while neither has changed."""

from datasets import Dataset

from core.errors import BadFeedback
from models import ranks
from models import sft as finetuning
from models import tokenizer as tokenizers
from models.compute import Sharding
from models.policy import ModelSettings, Policy, build
from models.sft import SFTSettings
from tasks.state import imports, loading, model
from tasks.state.reports import StepReport
from tasks.state.round import Round, seeded
from tasks.state.steplog import StepLog
from tasks.state.tables import load
from tasks.state.workspace import table

NO_DEMONSTRATIONS = (
    "model.base=scratch needs demonstrations, and the feedback has none; use a pretrained model with "
    "-S model.base=FOLDER, or train on the preferred answers with -S curate.chosen_as_demonstrations=true"
)


def sft(round: Round, log: StepLog) -> None:
    """Train the base model on the demonstrations; if there are none, the base model itself is the SFT model.

    Seeded by `params.seed`, not by the round: the same demonstrations give the same model in every round. A new
    model from scratch keeps the champion's tokenizer even if the demonstrations have changed: the policy starts from
    the champion, and all models of a round must share one tokenizer. Every champion has the tokenizer of the first SFT
    model, so DVC need not know the champion as an input of this step. An imported model is the SFT model as it is, in
    every round that continues it.

    Raises:
        BadFeedback: the base model is new (`scratch`) and there are no demonstrations.
    """
    base, knobs = model.settings(round), round.knobs("sft", SFTSettings)
    demonstrations = load(table(round.workspace.demonstrations, "train"))
    if round.base and round.base.imported:
        demonstrations = demonstrations.select([])
    if base.base == "scratch" and len(demonstrations) == 0:
        raise BadFeedback(NO_DEMONSTRATIONS)
    with log.learning():
        policy = _start(round, base, demonstrations, knobs.launch.sharding)
        numbers = finetuning.fit(policy, demonstrations, knobs, base, seeded(round.sft_salt, "sft"), log)

    policy.save(round.workspace.checkpoint("sft"))
    ranks.once(lambda: StepReport(metrics=numbers).save(round.workspace.report("sft")))


def _start(round: Round, base: ModelSettings, demonstrations: Dataset, how: Sharding | None) -> Policy:
    """The base model, an adapter of it that changes nothing yet, or the imported adapter."""
    if round.base and (imported := imports.adapter(round.workspace, round.base)):
        return loading.of_round(round, how).policy(imported)
    seed = seeded(round.sft_salt, "base")
    if base.adapter and round.base:
        return loading.of_round(round, how).new_adapter(round.base.digest, base.adapter, "sft", seed)
    return build(base, _texts(demonstrations), seed, tokenizers.of(round.workspace.champion), how)


def _texts(demonstrations: Dataset) -> list[str]:
    """All texts that a new tokenizer is trained on."""
    prompts = [turn["content"] for prompt in demonstrations["prompt"] for turn in prompt]
    return [*prompts, *demonstrations["completion"]]
