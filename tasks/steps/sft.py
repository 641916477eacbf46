"""sft: the base model learns to answer from demonstrations. Skipped while neither changed."""

from datasets import Dataset

from core.errors import BadFeedback
from models import sft as learning
from models import tokenizer as tokenizers
from models.policy import ModelSettings, build
from models.sft import SFTSettings
from tasks.state.reports import StepReport
from tasks.state.round import Round, seeded
from tasks.state.steplog import StepLog
from tasks.state.tables import load
from tasks.state.workspace import table


def sft(round: Round, log: StepLog) -> None:
    """Train the base model on the demonstrations; without any, the base model itself is the SFT model.

    Seeded by the workspace's salt, not by the round: the same demonstrations give the same model in every round. A new
    model from scratch keeps the champion's tokenizer, whatever the demonstrations are by now: the policy starts from
    the champion, and all models of a round read the same tokens. It is the first SFT model's, in every round, which is
    why the champion is no input of this step to DVC.

    Raises:
        BadFeedback: a base model from scratch, and nothing to learn from.
    """
    base, knobs = round.knobs("model", ModelSettings), round.knobs("sft", SFTSettings)
    demonstrations = load(table(round.workspace.demonstrations, "train"))
    if base.base == "scratch" and len(demonstrations) == 0:
        raise BadFeedback(
            "model.base=scratch needs demonstrations and the feedback holds none; name a trained model with "
            "-S model.base=FOLDER, or learn from the preferred answers with -S curate.chosen_as_demonstrations=true"
        )
    with log.learning():
        policy = build(
            base, _texts(demonstrations), seeded(round.salt, "base"), tokenizers.of(round.workspace.champion)
        )
        numbers = learning.fit(policy, demonstrations, knobs, base, seeded(round.salt, "sft"), log)
    policy.save(round.workspace.checkpoint("sft"))
    StepReport(metrics=numbers).save(round.workspace.report("sft"))


def _texts(demonstrations: Dataset) -> list[str]:
    """Everything that a new tokenizer has to spell."""
    prompts = [turn["content"] for prompt in demonstrations["prompt"] for turn in prompt]
    return [*prompts, *demonstrations["completion"]]
