"""The reward model is as sure as it is right."""

from pydantic import Field

from evaluation.evals.reward_model import REWARD_BRIER_RISE, REWARD_ECE, REWARD_ECE_CHANCE, REWARD_ECE_P, REWARD_PAIRS
from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs, interval

ECE, CHANCE, P = REWARD_ECE.full, REWARD_ECE_CHANCE.full, REWARD_ECE_P.full
PAIRS, RISE = REWARD_PAIRS.full, REWARD_BRIER_RISE.full


class CalibrationGate(Gate):
    """Its calibration error is no larger than chance allows, and its probabilities are no worse than the champion's."""

    excess: float = Field(0.05, ge=0, lt=1)
    """Most by which the calibration error may exceed what luck alone makes of as many pairs."""
    level: float = Field(0.05, gt=0, lt=1)
    """P-value below which an error is no luck."""
    rise: float = Field(0.02, ge=0, lt=1)
    """Most by which the Brier score may rise over that of the champion's reward model on the same pairs."""
    min_pairs: int = Field(100, ge=1)
    """Decided held-out pairs below which nothing is decided."""

    def check(self, evidence: GateInputs) -> Finding:
        """Reject for an error that is large and no luck; hold where too few pairs tell."""
        metrics = evidence.candidate
        pairs = int(metrics.get(PAIRS, 0))
        if pairs < self.min_pairs or not {ECE, CHANCE, P} <= metrics.keys():
            return self.found("hold", f"{pairs} held-out pairs are too few: {self.min_pairs} are needed", pairs=pairs)
        ece, luck, p = metrics[ECE], metrics[CHANCE], metrics[P]
        said = f"calibration error {ece:.3f}, where luck alone makes {luck:.3f} (p {p:.2g})"
        numbers = {"ece": ece, "ece_chance": luck, "ece_p": p}
        if ece - luck > self.excess and p < self.level:
            return self.found("reject", f"{said}: the reward model's probabilities can't be believed", **numbers)
        rise = interval(metrics, RISE, PAIRS)
        if rise is None:
            return self.found("promote", f"{said}; the champion has no reward model to compare with", **numbers)
        said += f"; Brier score {rise.estimate:+.3f} ({rise.low:+.3f} to {rise.high:+.3f}) on the champion's"
        if rise.low > self.rise:
            return self.found("reject", f"{said}: more than {self.rise:g} worse beyond chance", **numbers)
        if rise.high > self.rise:
            return self.found("hold", f"{said}: may be more than {self.rise:g} worse", **numbers)
        return self.found("promote", said, **numbers)
