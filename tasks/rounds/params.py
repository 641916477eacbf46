"""All knobs of a round, by section. Each knob is declared in the module that uses it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, SerializeAsAny, model_validator

from core.plugins import used
from core.settings import BaseSettings
from models.algorithms import Algorithm
from models.algorithms.ppo import PPO
from models.compute import Dtype, chosen
from models.policy import ModelSettings
from models.reward import RewardSettings
from models.rewards import RewardFunction
from models.sft import SFTSettings
from tasks.people.approval import ApprovalSettings
from tasks.registry.audit import AuditSettings
from tasks.registry.promotion import PromotionSettings
from tasks.rounds.placement import StepsSettings
from tasks.state.gates import VerdictSettings
from tasks.state.intake import IngestSettings
from tasks.state.sampler import SamplerSettings
from tasks.steps.collect import CollectSettings
from tasks.steps.curate import CurateSettings
from tasks.steps.drift import DriftSettings
from tasks.steps.evaluate import EvaluateSettings
from tasks.steps.sample import SampleSettings
from tasks.steps.vote import VoteSettings
from tasks.tools.versioning import VersioningSettings
from tasks.watch.guards import WatchSettings


class RoundSettings(BaseSettings):
    """Every knob of a round with its default. Each step has a section of its name; the steps share `model`."""

    seed: int = Field(0, ge=0)
    """Random seed of the rounds in this workspace; another number gives an independent repetition."""
    model: ModelSettings = ModelSettings()
    sampler: SamplerSettings = SamplerSettings()
    collect: CollectSettings = CollectSettings()
    ingest: IngestSettings = IngestSettings()
    curate: CurateSettings = CurateSettings()
    sft: SFTSettings = SFTSettings()
    reward: RewardSettings = RewardSettings()
    policy: Annotated[SerializeAsAny[Algorithm], used("models.algorithms", default="ppo")] = PPO()
    sample: SampleSettings = SampleSettings()
    vote: VoteSettings = VoteSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    drift: DriftSettings = DriftSettings()
    verdict: VerdictSettings = VerdictSettings()
    approval: ApprovalSettings = ApprovalSettings()
    promotion: PromotionSettings = PromotionSettings()
    watch: WatchSettings = WatchSettings()
    versioning: VersioningSettings = VersioningSettings()
    audit: AuditSettings = AuditSettings()
    steps: StepsSettings = StepsSettings()

    @model_validator(mode="before")
    @classmethod
    def _without_empty_sections(cls, values: Any) -> Any:
        """Drop null sections: YAML reads a section whose knobs are all commented out as null. It gets its defaults."""
        if not isinstance(values, Mapping):
            return values
        return {name: value for name, value in values.items() if value is not None}

    def plain(self) -> dict[str, Any]:
        """The knobs as plain values, as they were set."""
        return self.model_dump(mode="json")

    def frozen(self) -> dict[str, Any]:
        """The knobs as plain values, as in round.yaml: the type in place of `auto`, which depends on the machine, and
        what the reward function looks up.

        Raises:
            RoundsError: that cannot be looked up.
        """
        return self.in_type(chosen(self.model.dtype)).with_reward(self.policy.reward.frozen()).plain()

    def in_type(self, dtype: Dtype) -> "RoundSettings":
        """The same knobs with another `model.dtype`."""
        return self.model_copy(update={"model": self.model.model_copy(update={"dtype": dtype})})

    def with_reward(self, reward: RewardFunction) -> "RoundSettings":
        """The same knobs with another `policy.reward`."""
        return self.model_copy(update={"policy": self.policy.model_copy(update={"reward": reward})})
