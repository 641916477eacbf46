"""The reward server that params.yaml names answers, with scores that can be used."""

from collections.abc import Iterator, Mapping

from core.settings import parse, read
from models.reward_server import NoReward, RewardServerSettings
from tasks.doctor.diagnosis import Diagnosis, error
from tasks.state.workspace import Workspace

PATIENCE = 4.0
"""Seconds for a response, at most: three requests together take less than a check may take."""


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """A server that does not answer, states something else than it has to, or gives no usable scores."""
    if not workspace.params.exists():
        return  # the check `params` says so
    policy = read(workspace.params).get("policy")
    reward = policy.get("reward") if isinstance(policy, Mapping) else None
    if not isinstance(reward, Mapping) or reward.get("use") != "http":
        return
    own = {name: value for name, value in reward.items() if name in RewardServerSettings.model_fields}
    knobs = parse(RewardServerSettings, own, str(workspace.params), ("policy", "reward"))
    try:
        knobs.model_copy(update={"attempts": 1, "timeout": min(knobs.timeout, PATIENCE)}).check()
    except NoReward as problem:
        yield error(str(problem))
