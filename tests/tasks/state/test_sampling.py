"""Where a round samples: in its process, or on a server, which samples for whole steps here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.files import read_json
from models.adapters import AdapterSettings
from models.policy import Policy
from models.reward import RewardModel
from models.rollout import sample as sample_here
from models.scorer import Scorer
from models.shared_base import AdapterNetwork
from tasks.rounds.fetching import keep
from tasks.state import loading
from tasks.state.round import Round
from tasks.state.sampling import of_step
from tasks.steps.policy import policy
from tasks.steps.sample import sample
from tests.models.adapted import moved
from tests.models.fake_vllm import FakeVLLM, serving
from tests.tasks.rounds import bases
from tests.tasks.steps.hand_written import Logged, opened, write_prompts

LIMITS = {"max_prompt_tokens": 16, "max_answer_tokens": 4, "adapter": {"rank": 2}}
PPO = {"use": "ppo", "steps": 2, "episodes": 4, "minibatch": 4, "epochs": 1, "critic": "shared"}


@pytest.fixture
def furnished(tmp_path: Path) -> Iterator[tuple[Round, FakeVLLM]]:
    """An open round whose models are adapters of a small base, and the server that samples in it."""
    folder = bases.saved(tmp_path / "base")
    fake = FakeVLLM(folder)
    with serving(fake) as url:
        knobs = {"engine": "vllm", "vllm": {"url": url}}
        round = opened(tmp_path, champion="4", model=LIMITS, sampler=knobs, policy=PPO, sample={"prompts": 3})
        workspace = round.workspace
        digest = keep(workspace, folder).digest
        loader = loading.of_round(round)
        first = loader.new_adapter(digest, AdapterSettings(rank=2), "first", 0)
        assert isinstance(first.network, AdapterNetwork)
        for seed, path in enumerate((workspace.checkpoint("sft"), workspace.champion, workspace.checkpoint("policy"))):
            Policy(moved(first.network.base, f"moved-{seed}", seed), first.tokenizer).save(path)
        scorer = Scorer.from_policy(loader.policy(workspace.checkpoint("sft")), likelihood=1.0, surprise=0.0)
        for name in ("reward", "judge"):
            RewardModel(scorer, 16, 4, temperature=2.0).save(workspace.checkpoint(name))
        for split in ("train", "holdout"):
            write_prompts(workspace, split)
        yield round, fake


def test_a_round_samples_in_its_process_by_default(tmp_path: Path) -> None:
    with of_step(opened(tmp_path), "sample", 8) as found:
        assert found.sample is sample_here
        assert found.name() == "local"


def test_a_server_samples_for_candidate_and_champion(furnished: tuple[Round, FakeVLLM]) -> None:
    round, fake = furnished
    sample(round, Logged())
    assert read_json(round.workspace.report("sample"))["sampler"] == "vllm 0.32.0"
    loads = fake.bodies("/v1/load_lora_adapter")
    assert [body["lora_name"].rpartition("-")[0] for body in loads] == ["policy", "champion"]
    assert len(fake.bodies("/v1/completions")) == 2 * (1 + 3)  # one for the comparison, and the prompts


def test_a_policy_learns_from_what_a_server_samples(furnished: tuple[Round, FakeVLLM]) -> None:
    round, fake = furnished
    log = Logged()
    policy(round, log)
    report = read_json(round.workspace.report("policy"))
    assert report["sampler"] == "vllm 0.32.0"
    assert 0 <= report["metrics"]["rollout_mismatch"] < 1e-4
    assert fake.adapters == []
    assert len({body["lora_name"] for body in fake.bodies("/v1/load_lora_adapter")}) == 2  # one for each iteration


def test_a_report_of_a_step_that_samples_here_is_as_before(furnished: tuple[Round, FakeVLLM]) -> None:
    round, fake = furnished
    here = opened(round.workspace.root.parent, champion="4", model=LIMITS, sample={"prompts": 3})
    sample(here, Logged())
    assert "sampler" not in read_json(here.workspace.report("sample"))
    assert fake.asked == []


def test_nothing_is_asked_before_the_first_answers(furnished: tuple[Round, FakeVLLM]) -> None:
    round, fake = furnished
    with of_step(round, "sample", 8) as found:
        assert found.name() == "vllm"
    assert fake.asked == []
