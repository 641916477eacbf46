"""A step in two processes does what it does in one, and says of a process that fails what it was."""

from pathlib import Path

import pytest
import torch

from core.errors import BadFeedback
from core.files import read_json, write_text
from models import token_counts
from models.policy import Policy
from tasks.rounds import launched
from tasks.rounds.launched import run
from tasks.state.inputs import Base, Inputs
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.steps.policy import policy
from tests.tasks.steps.hand_written import Logged, opened, put, write_prompts

KNOBS = {"use": "ppo", "steps": 2, "episodes": 5, "minibatch": 3, "epochs": 1, "learning_rate": 1e-3}
TWO = {"launch": {"processes": 2}}


def furnished(round: Round, models: Path) -> None:
    """What the step reads; the processes read the round itself too."""
    workspace, base = round.workspace, Base(name="scratch", digest="scratch")
    facts = {"number": round.number, "seed": round.seed, "salt": round.salt, "champion": round.champion}
    stored = Inputs(**facts, base=base, code="", feedback="", params=round.values)
    write_text(workspace.round, stored.to_yaml())
    put(models / "policy", workspace.champion)
    put(models / "sft", workspace.checkpoint("sft"))
    put(models / "reward", workspace.checkpoint("reward"))
    write_prompts(workspace, "train")


def weights(workspace: Workspace) -> torch.Tensor:
    model = Policy.load(workspace.checkpoint("policy")).model
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_a_step_in_two_processes_learns_the_same(tmp_path: Path, models: Path) -> None:
    found = []
    for name, knobs in (("one", KNOBS), ("two", KNOBS | TWO)):
        round, log, before = opened(tmp_path / name, champion="4", policy=knobs), Logged(), token_counts.so_far()
        furnished(round, models)
        run(policy, round, log)
        after = token_counts.so_far()
        used = (after.sampled - before.sampled, after.trained - before.trained)
        reported = read_json(round.workspace.report("policy"))["metrics"]
        assert reported == {name: value for name, value in log.last.items() if not name.startswith("time/")}
        found.append((weights(round.workspace), reported, used))
    (one, said, tokens), (two, again, counted) = found
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)
    assert again == pytest.approx(said, rel=1e-3, abs=1e-5)
    assert counted == tokens


def test_an_error_that_a_user_can_correct_is_raised_as_it_is(tmp_path: Path, models: Path) -> None:
    round = opened(tmp_path, champion="4", policy=KNOBS | TWO)
    furnished(round, models)
    write_prompts(round.workspace, "train", [])
    with pytest.raises(BadFeedback, match="no prompt to train on"):
        run(policy, round, Logged())
    assert list(round.workspace.ranks("policy").glob("*/attempt_0/*/stderr.log"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [({}, 1), ({"launch": {"processes": 3}}, 3), ({"launch": {"processes": 3, "nodes": 2}}, 6)],
)
def test_rounds_that_were_opened_before_the_knob_existed_run_in_one(
    tmp_path: Path, values: dict[str, object], expected: int
) -> None:
    assert launched.settings(opened(tmp_path, policy=values), "policy").ranks == expected
