"""The reward model is calibrated: its probabilities match how often it is right."""

from pydantic import Field

from evaluation.evals.reward_model import REWARD_BRIER_RISE, REWARD_ECE, REWARD_ECE_CHANCE, REWARD_ECE_P, REWARD_PAIRS
from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs, interval

ECE, EXPECTED, P = REWARD_ECE.full, REWARD_ECE_CHANCE.full, REWARD_ECE_P.full
PAIRS, RISE = REWARD_PAIRS.full, REWARD_BRIER_RISE.full


class CalibrationGate(Gate):
    """Its calibration error is small or not significant, and its Brier score is no worse than the champion's."""

    excess: float = Field(0.05, ge=0, lt=1)
    """How far the calibration error may exceed the error expected of a calibrated model on as many pairs."""
    level: float = Field(0.05, gt=0, lt=1)
    """Significance level of the calibration error."""
    rise: float = Field(0.02, ge=0, lt=1)
    """How far the Brier score may exceed that of the champion's reward model on the same pairs."""
    min_pairs: int = Field(100, ge=1)
    """Non-tied held-out pairs needed for a decision."""

    def check(self, inputs: GateInputs) -> Finding:
        """Reject an error that is large and significant, or a significantly worse Brier score; hold if undecided."""
        metrics = inputs.candidate
        pairs = int(metrics.get(PAIRS, 0))
        if pairs < self.min_pairs or not {ECE, EXPECTED, P} <= metrics.keys():
            return self.finding("hold", f"{pairs} held-out pairs are too few: {self.min_pairs} are needed", pairs=pairs)
        ece, expected, p = metrics[ECE], metrics[EXPECTED], metrics[P]
        reason = f"calibration error {ece:.3f}, {expected:.3f} expected if calibrated (p {p:.2g})"
        numbers = {"ece": ece, "ece_chance": expected, "ece_p": p}
        if ece - expected > self.excess and p < self.level:
            return self.finding("reject", f"{reason}: the reward model is miscalibrated", **numbers)
        rise = interval(metrics, RISE, PAIRS)
        if rise is None:
            return self.finding("promote", f"{reason}; the champion has no reward model to compare with", **numbers)
        reason += (
            f"; Brier score {rise.estimate:+.3f} ({rise.low:+.3f} to {rise.high:+.3f}) compared with the champion's"
        )
        if rise.low > self.rise:
            return self.finding("reject", f"{reason}: significantly more than {self.rise:g} worse", **numbers)
        if rise.high > self.rise:
            return self.finding("hold", f"{reason}: upper bound above {self.rise:g}", **numbers)
        return self.finding("promote", reason, **numbers)
