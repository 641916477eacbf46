"""All knobs of a round, section by section. Each knob is declared in the module that uses it."""

from typing import Annotated

from pydantic import Field, SerializeAsAny

from core.knobs import Knobs
from core.plugins import used
from models.algorithms import Algorithm
from models.policy import Model
from models.reward import Reward
from models.sft import SFT
from tasks.approval import Approval
from tasks.collect import Collect
from tasks.curate import Curate
from tasks.drift import Drift
from tasks.evaluate import Evaluate
from tasks.guarding import Watch
from tasks.intake import Ingest
from tasks.promotion import Promotion
from tasks.sample import Sample
from tasks.verdict import Verdicts
from tasks.versioning import Versioning
from tasks.vote import Vote


class Params(Knobs):
    """params.yaml. Step = section; `model` is what the steps share."""

    seed: int = Field(0, ge=0)
    """Seeds the rounds of this workspace; another number gives an independent repetition."""
    model: Model = Model()
    collect: Collect = Collect()
    ingest: Ingest = Ingest()
    curate: Curate = Curate()
    sft: SFT = SFT()
    reward: Reward = Reward()
    policy: Annotated[SerializeAsAny[Algorithm], used("models.algorithms")]
    sample: Sample = Sample()
    vote: Vote = Vote()
    evaluate: Evaluate = Evaluate()
    drift: Drift = Drift()
    verdict: Verdicts = Verdicts()
    approval: Approval = Approval()
    promotion: Promotion = Promotion()
    watch: Watch = Watch()
    versioning: Versioning = Versioning()
