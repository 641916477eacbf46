"""All knobs of a round, section by section. Each knob is declared in the module that uses it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, SerializeAsAny, model_validator

from core.knobs import Knobs
from core.plugins import used
from models.algorithms import Algorithm
from models.algorithms.ppo import PPO
from models.policy import Model
from models.reward import Reward
from models.sft import SFT
from tasks.people.approval import Approval
from tasks.registry.promotion import Promotion
from tasks.state.intake import Ingest
from tasks.steps.collect import Collect
from tasks.steps.curate import Curate
from tasks.steps.drift import Drift
from tasks.steps.evaluate import Evaluate
from tasks.steps.sample import Sample
from tasks.steps.verdict import Verdicts
from tasks.steps.vote import Vote
from tasks.tools.versioning import Versioning
from tasks.watch.guarding import Watch


class Params(Knobs):
    """Every knob of a round, its default included. Step = section; `model` is what the steps share."""

    seed: int = Field(0, ge=0)
    """Seeds the rounds of this workspace; another number gives an independent repetition."""
    model: Model = Model()
    collect: Collect = Collect()
    ingest: Ingest = Ingest()
    curate: Curate = Curate()
    sft: SFT = SFT()
    reward: Reward = Reward()
    policy: Annotated[SerializeAsAny[Algorithm], used("models.algorithms", default="ppo")] = PPO()
    sample: Sample = Sample()
    vote: Vote = Vote()
    evaluate: Evaluate = Evaluate()
    drift: Drift = Drift()
    verdict: Verdicts = Verdicts()
    approval: Approval = Approval()
    promotion: Promotion = Promotion()
    watch: Watch = Watch()
    versioning: Versioning = Versioning()

    @model_validator(mode="before")
    @classmethod
    def _without_empty_sections(cls, values: Any) -> Any:
        """A section all of whose knobs are commented out is null in YAML: it has its defaults."""
        if not isinstance(values, Mapping):
            return values
        return {name: value for name, value in values.items() if value is not None}

    def plain(self) -> dict[str, Any]:
        """The knobs as plain values, as they stand in round.yaml."""
        return self.model_dump(mode="json")
