"""How large an effect has to be before it matters."""

from pydantic import Field

from core.knobs import BaseSettings


class LimitSettings(BaseSettings):
    """Effects above which a check is an alarm, where chance does not explain them."""

    prompt_auc: float = Field(0.6, gt=0.5, le=1)
    """How well a classifier tells the new prompts from those the champion learned from; .5 is not at all."""
    prompt_topic_psi: float = Field(0.2, gt=0)
    """Stability index of the prompts' topics."""
    prompt_length_psi: float = Field(0.2, gt=0)
    """Stability index of the prompts' lengths in words."""
    tie_rate_shift: float = Field(0.1, gt=0)
    """Change of the share of ties among votes, either way."""
    item_time_ratio: float = Field(1.5, gt=1)
    """Time that people take for an item, as a ratio, whichever way round is above 1."""
    agreement_drop: float = Field(0.1, gt=0)
    """Loss of agreement between people who voted on the same pair."""
    fresh_accuracy_drop: float = Field(0.1, gt=0)
    """Loss of the champion's reward model's accuracy on new votes, beyond what noisier votes explain."""
    fresh_overconfidence: float = Field(0.1, gt=0)
    """How much surer than right the champion's reward model became on new votes."""
    length_wasserstein: float = Field(1.0, gt=0)
    """Distance of the answers' lengths from the champion's, in standard deviations; good rounds of the embedded world
    moved them by .2 to .8."""
    reward_wasserstein: float = Field(0.75, gt=0)
    """Distance of the rewards of the champion's answers from what the last reward model gave them, likewise."""
    saturation: float = Field(0.5, gt=0, lt=1)
    """Share of the answers with a reward that 1 % of the champion's answers reach."""
    kl_rise: float = Field(5.0, gt=0)
    """Nats per sequence that the candidate is farther from the SFT model than the champion."""
    diversity_loss: float = Field(0.2, gt=0, lt=1)
    """Share of the champion's variety (different word pairs) that is gone."""
    judge_gap: float = Field(0.15, gt=0, lt=1)
    """By how much the judge model's win rate exceeds that of fresh votes."""
