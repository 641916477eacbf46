"""All knobs of a round, section by section. Each knob is declared in the module that uses it."""

from typing import Annotated

from pydantic import Field, SerializeAsAny

from core.knobs import BaseSettings
from core.plugins import used
from models.algorithms import Algorithm
from models.policy import ModelSettings
from models.reward import RewardSettings
from models.sft import SFTSettings
from tasks.people.approval import ApprovalSettings
from tasks.registry.promotion import PromotionSettings
from tasks.state.intake import IngestSettings
from tasks.steps.collect import CollectSettings
from tasks.steps.curate import CurateSettings
from tasks.steps.drift import DriftSettings
from tasks.steps.evaluate import EvaluateSettings
from tasks.steps.sample import SampleSettings
from tasks.steps.verdict import VerdictSettings
from tasks.steps.vote import VoteSettings
from tasks.tools.versioning import VersioningSettings
from tasks.watch.guarding import WatchSettings


class RoundSettings(BaseSettings):
    """params.yaml. Step = section; `model` is what the steps share."""

    seed: int = Field(0, ge=0)
    """Seeds the rounds of this workspace; another number gives an independent repetition."""
    model: ModelSettings = ModelSettings()
    collect: CollectSettings = CollectSettings()
    ingest: IngestSettings = IngestSettings()
    curate: CurateSettings = CurateSettings()
    sft: SFTSettings = SFTSettings()
    reward: RewardSettings = RewardSettings()
    policy: Annotated[SerializeAsAny[Algorithm], used("models.algorithms")]
    sample: SampleSettings = SampleSettings()
    vote: VoteSettings = VoteSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    drift: DriftSettings = DriftSettings()
    verdict: VerdictSettings = VerdictSettings()
    approval: ApprovalSettings = ApprovalSettings()
    promotion: PromotionSettings = PromotionSettings()
    watch: WatchSettings = WatchSettings()
    versioning: VersioningSettings = VersioningSettings()
