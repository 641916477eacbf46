"""Effect sizes above which drift is an alarm."""

from pydantic import Field

from core.settings import BaseSettings


class LimitSettings(BaseSettings):
    """Largest effects without an alarm; an alarm also needs a significant p-value."""

    prompt_auc: float = Field(0.6, gt=0.5, le=1)
    """AUC of a classifier that separates new prompts from those the champion was trained on; .5 is chance."""
    prompt_topic_psi: float = Field(0.2, gt=0)
    """Population stability index of the prompts' topics."""
    prompt_length_psi: float = Field(0.2, gt=0)
    """Population stability index of the prompts' lengths in words."""
    tie_rate_shift: float = Field(0.1, gt=0)
    """Change of the tie rate, in either direction."""
    item_time_ratio: float = Field(1.5, gt=1)
    """Ratio of the times that people take per item, in the direction that is above 1."""
    agreement_drop: float = Field(0.1, gt=0)
    """Drop in agreement between people who voted on the same pair."""
    fresh_accuracy_drop: float = Field(0.1, gt=0)
    """Drop in the accuracy of the champion's reward model on new votes, beyond what noisier votes explain."""
    fresh_overconfidence: float = Field(0.1, gt=0)
    """Increase of the overconfidence of the champion's reward model on new votes."""
    length_wasserstein: float = Field(1.0, gt=0)
    """Wasserstein distance of the answers' lengths from the champion's, in standard deviations; in good rounds of the
    embedded world it was .2 to .8."""
    reward_wasserstein: float = Field(0.75, gt=0)
    """Wasserstein distance between this and the previous reward model's rewards of the champion's answers, in
    standard deviations."""
    saturation: float = Field(0.5, gt=0, lt=1)
    """Share of answers with a reward above the 99th percentile of the champion's."""
    kl_rise: float = Field(5.0, gt=0)
    """Rise of the KL divergence from the SFT model above the champion's, in nats per sequence."""
    diversity_loss: float = Field(0.2, gt=0, lt=1)
    """Loss of distinct word pairs, as a share of the champion's."""
    judge_gap: float = Field(0.15, gt=0, lt=1)
    """Judge model's win rate minus that of fresh votes."""
