"""A policy that a server samples: it gets each version as a file under a new name, and computes what the trainer does.

The server is a small one in a thread (tests/models/fake_vllm.py); tests/engines/ asks a real one.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import BadModel
from models import token_counts
from models.adapters import AdapterSettings
from models.algorithms.ppo import PPO
from models.checkpoints import Checkpoints
from models.compute import IN_FLOAT32, Sharding
from models.engines import Loss, Step
from models.engines.local import LocalEngine
from models.engines.vllm import VLLMSampler
from models.mismatch import RolloutMismatch
from models.policy import Policy, load_model
from models.rollout import SamplingSettings, sample
from models.seeding import generator
from models.shared_base import SharedBase
from models.tokens import Batch
from models.vllm_client import VLLMClient
from models.vllm_server import ServedBase
from tests.models.adapted import moved
from tests.models.fake_vllm import FakeVLLM, serving
from tests.models.processes import on_ranks, started

PROMPTS = [[3, 9, 4], [3, 7], [5, 6, 7, 8]]
COMPLETIONS = "/v1/completions"


@pytest.fixture
def adapter(tiny: Policy) -> Policy:
    """A policy that is an adapter, and differs from its base."""
    return Policy(moved(SharedBase(tiny.model, tiny.tokenizer, "a" * 64), "policy", 1), tiny.tokenizer)


@pytest.fixture
def fake(saved: Path) -> FakeVLLM:
    return FakeVLLM(saved)


class Connected:
    """Connects to the small server, and notes for which bases."""

    def __init__(self, url: str) -> None:
        self._client = VLLMClient(url)
        self.served: list[ServedBase] = []

    def __call__(self, served: ServedBase) -> VLLMClient:
        self.served.append(served)
        return self._client

    def close(self) -> None:
        self._client.close()


@contextmanager
def connected(fake: FakeVLLM) -> Iterator[Connected]:
    with serving(fake) as url, closing(Connected(url)) as connect:
        yield connect


@pytest.fixture
def connect(fake: FakeVLLM) -> Iterator[Connected]:
    with connected(fake) as made:
        yield made


@pytest.fixture
def sampler(connect: Connected, saved: Path, tmp_path: Path) -> VLLMSampler:
    return VLLMSampler(connect, lambda digest: saved, tmp_path / "adapters")


def change(policy: Policy) -> None:
    with torch.no_grad():
        for weight in policy.network.parameters():
            weight.add_(0.3)


def test_the_servers_log_probabilities_are_those_of_the_policy(
    fake: FakeVLLM, sampler: VLLMSampler, adapter: Policy
) -> None:
    before = token_counts.so_far().sampled
    rollout = sampler(adapter, PROMPTS, SamplingSettings(temperature=0.7), 5, generator(0))
    batch = rollout.batch
    assert token_counts.so_far().sampled - before == int(batch.response.sum())
    assert [row[: len(prompt)].tolist() for row, prompt in zip(batch.ids, PROMPTS, strict=True)] == PROMPTS
    torch.testing.assert_close(rollout.logprobs, adapter.logprobs(batch, 0.7), atol=1e-4, rtol=0)
    asked = fake.bodies(COMPLETIONS)
    assert {body["temperature"] for body in asked} == {0.7}
    assert all(body["stop_token_ids"] == adapter.end_ids for body in asked)


def test_greedy_answers_are_those_of_this_process(sampler: VLLMSampler, adapter: Policy) -> None:
    made = [source(adapter, PROMPTS, SamplingSettings(), 6, generator(0), greedy=True) for source in (sample, sampler)]
    assert torch.equal(made[0].batch.ids, made[1].batch.ids)
    assert torch.equal(made[0].ended, made[1].ended)


def test_without_prompts_nothing_is_asked(fake: FakeVLLM, sampler: VLLMSampler, adapter: Policy) -> None:
    assert sampler(adapter, [], SamplingSettings(), 5, generator(0)).answers == []
    assert fake.asked == []


def test_a_row_has_a_seed_of_its_own(fake: FakeVLLM, sampler: VLLMSampler, adapter: Policy) -> None:
    first, again = (sampler(adapter, PROMPTS * 4, SamplingSettings(batch=3), 6, generator(5)) for _ in range(2))
    assert torch.equal(first.batch.ids, again.batch.ids)
    other = sampler(adapter, PROMPTS * 4, SamplingSettings(), 6, generator(6))
    assert not torch.equal(first.batch.ids, other.batch.ids)
    seeds = [body["seed"] for body in fake.bodies(COMPLETIONS)[1:13]]
    assert len(set(seeds)) == 12


def test_a_version_is_handed_over_once_and_under_a_name_of_its_own(
    fake: FakeVLLM, sampler: VLLMSampler, adapter: Policy, tmp_path: Path
) -> None:
    for _ in range(2):
        sampler(adapter, PROMPTS, SamplingSettings(), 3, generator(0))
    [first] = fake.adapters
    change(adapter)
    sampler(adapter, PROMPTS, SamplingSettings(), 3, generator(0))
    [second] = fake.adapters
    assert first != second
    assert [body["lora_name"] for body in fake.bodies("/v1/load_lora_adapter")] == [first, second]
    assert [path.name for path in (tmp_path / "adapters").iterdir()] == [second]


def test_an_adapter_that_a_killed_round_left_is_handed_over_again(
    fake: FakeVLLM, connect: Connected, adapter: Policy, saved: Path, tmp_path: Path
) -> None:
    """Its folder is gone, from which the server would read it again."""
    for name in ("killed", "next"):
        source = VLLMSampler(connect, lambda digest: saved, tmp_path / name)
        source(adapter, PROMPTS, SamplingSettings(), 3, generator(0))
    folders = [Path(body["lora_path"]).parent.name for body in fake.bodies("/v1/load_lora_adapter")]
    assert folders == ["killed", "next"]
    source.close()
    assert fake.adapters == []
    source.close()


def test_a_server_that_keeps_the_weights_before_is_noticed(saved: Path, adapter: Policy, tmp_path: Path) -> None:
    with connected(FakeVLLM(saved, stale=True)) as connect:
        source = VLLMSampler(connect, lambda digest: saved, tmp_path / "adapters")
        source(adapter, PROMPTS, SamplingSettings(), 3, generator(0))
        change(adapter)
        with pytest.raises(RolloutMismatch, match=r"(?s)log-probability -.*, which is -.* here; .* limit for float32"):
            source(adapter, PROMPTS, SamplingSettings(), 3, generator(0))


def test_another_base_or_a_larger_rank_needs_another_server(
    connect: Connected, sampler: VLLMSampler, tiny: Policy, adapter: Policy
) -> None:
    other = Policy(moved(SharedBase(tiny.copy("x").model, tiny.tokenizer, "b" * 64), "policy", 2), tiny.tokenizer)
    for policy in (adapter, adapter, other):
        sampler(policy, PROMPTS, SamplingSettings(), 3, generator(0))
    assert connect.served == [ServedBase("a" * 64, 2), ServedBase("b" * 64, 2)]


def test_a_whole_model_is_refused(sampler: VLLMSampler, tiny: Policy) -> None:
    with pytest.raises(BadModel, match=r"whole model.*sampler\.engine=local"):
        sampler(tiny, PROMPTS, SamplingSettings(), 3, generator(0))


def even(batch: Batch) -> Tensor:
    return ((batch.ids % 2 == 0) & batch.response).sum(1) / batch.response.sum(1)


def training(url: str, saved: Path, folder: Path, how: Sharding | None) -> Callable[[], dict[str, Tensor]]:
    """Two iterations of PPO on the answers of a server; the weights, and a rollout before."""

    def work() -> dict[str, Tensor]:
        model, tokenizer = load_model(saved, torch.float32)
        base = SharedBase(model, tokenizer, "a" * 64, IN_FLOAT32._replace(sharding=how))
        policy, reference = (
            Policy(base.add(name, AdapterSettings(rank=2), 1), tokenizer) for name in ("policy", "sft")
        )
        connect, knobs = Connected(url), PPO(steps=2, episodes=7, minibatch=3, learning_rate=1e-2)
        with (
            closing(connect),
            closing(VLLMSampler(connect, lambda digest: saved, folder / "adapters")) as sampler,
            closing(LocalEngine(policy, reference, even, sampler)) as engine,
        ):
            first = sampler(policy, PROMPTS, SamplingSettings(), 6, generator(3))
            before = {name: weight.detach().clone() for name, weight in policy.network.state_dict().items()}
            knobs.train(engine, PROMPTS, 6, Checkpoints(folder / "state", "run"))
            last = sampler(policy, PROMPTS, SamplingSettings(), 6, generator(3), greedy=True)
        weights = {name: weight.detach().clone() for name, weight in policy.network.state_dict().items()}
        assert any(not torch.equal(before[name], weight) for name, weight in weights.items())
        rollouts = {"first": first.batch.ids, "logprobs": first.logprobs, "last": last.batch.ids}
        return weights | rollouts | {"connected": torch.tensor(len(connect.served))}

    return work


@pytest.mark.parametrize("how", [None, Sharding(False)], ids=["whole", "shard"])
def test_two_ranks_learn_from_the_answers_that_the_first_one_gets(
    fake: FakeVLLM, saved: Path, tmp_path: Path, how: Sharding | None
) -> None:
    with serving(fake) as url:
        [expected] = on_ranks(1, training(url, saved, tmp_path / "own", how), tmp_path / "one")
        asked = len(fake.bodies(COMPLETIONS))
        results = on_ranks(2, training(url, saved, tmp_path / "shared", how), tmp_path / "two")
    assert [int(got.pop("connected")) for got in (expected, *results)] == [1, 1, 0]
    assert len(fake.bodies(COMPLETIONS)) == 2 * asked
    assert fake.adapters == []
    for name, value in expected.items():
        assert torch.equal(results[0][name], results[1][name]), f"{name} differs between ranks"
        torch.testing.assert_close(results[0][name], value, rtol=0, atol=1e-4, msg=f"{name}: ".__add__)


def test_a_server_that_fails_the_first_rank_ends_the_others(fake: FakeVLLM, saved: Path, tmp_path: Path) -> None:
    fake.broken[COMPLETIONS] = 500, "out of memory"
    with serving(fake) as url:
        children = started(2, training(url, saved, tmp_path / "own", None), tmp_path / "two")
        assert all(os.waitpid(child, 0)[1] for child in children)
    first, second = ((tmp_path / "two" / f"{rank}.txt").read_text() for rank in range(2))
    assert "with 500: out of memory" in first
    assert second.startswith("RankLost(")


def test_an_engine_recomputes_what_a_server_sampled(sampler: VLLMSampler, adapter: Policy) -> None:
    def nothing(logprobs: torch.Tensor, rows: list[int]) -> Loss:
        return Loss(0 * logprobs.sum(), {})

    engine = LocalEngine(adapter, adapter, lambda batch: batch.response.sum(1).float(), sampler)
    rollout = engine.sample(PROMPTS, SamplingSettings(), 5, generator(0))
    off = rollout._replace(logprobs=torch.where(rollout.batch.response, rollout.logprobs - 5e-4, 0.0))
    kept, difference, ratio = engine.verified(off, 1.0, iteration=0, seed=0)
    assert torch.equal(kept.logprobs, engine.logprobs(rollout.batch, 1.0))
    assert difference.max == pytest.approx(5e-4, rel=0.1)
    answers = rollout.batch.response
    assert ratio[answers].tolist() == pytest.approx([1.0005] * int(answers.sum()), abs=1e-4)
    assert set(ratio[~answers].tolist()) == {1.0}
    engine.update_policy(rollout.batch, [0], 1.0, nothing, Step(1e-3, 1.0))
