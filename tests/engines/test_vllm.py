"""A real vLLM server samples what this process does, and one round of a real model runs with it."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import torch
from torch import Tensor

from core.files import read_json
from models import mismatch
from models.engines.vllm import VLLMSampler
from models.measured import POLICY_ROLLOUT_MISMATCH
from models.mismatch import LIMITS, RolloutMismatch
from models.rollout import SamplingSettings, sample
from models.seeding import generator
from models.tokens import pad
from models.vllm_client import CompletionRequest, Decoding, VLLMClient
from models.vllm_server import free_port
from tasks.state import records
from tasks.state.reports import SAMPLING
from tasks.state.workspace import Workspace
from tests.core.kept import until
from tests.engines.conftest import Adapted, Served, rounds
from tests.pages import ROOT

pytestmark = [pytest.mark.engines, pytest.mark.timeout(3600)]

LIMIT = LIMITS["float32"].nats
QUESTIONS = ("What is the capital of France?", "Tell me a story about a fox.", "Why is the sky blue?", "Say hello.")
LONG = "The quick brown fox jumps over the lazy dog. " * 40
TOKENS = 300
"""Of a prompt whose keys and values fill several blocks of the server's cache, each of 128 tokens on a CPU."""

SMALL = (
    *("ingest.sources=[{use: rule, demonstrations: 64}]", "curate.split={train: 0.5, judge: 0.2, holdout: 0.3}"),
    *("collect.prompts=120", "curate.min_holdout=5", "policy.steps=4", "sample.prompts=60"),
    *("model.max_answer_tokens=40", "model.dtype=float32", "model.threads=1"),
)
"""A quarter of an hour of one core. Every step of the preset runs, and the policy learns from 128 answers."""

WIDER = 3.29 / 1.96
"""From an interval of 95 % to one of 99.9 %: a true gain also varies with the answers that training has sampled, which
the interval over prompts does not have, and each sampler draws other ones."""

PARENT = """
import sys, time
from pathlib import Path
from models.vllm_server import VLLMServer
from tests.engines.conftest import command
port = int(sys.argv[2])
words, variables = command(Path(sys.argv[1]), "0", port)
server = VLLMServer(words, variables, port, Path(sys.argv[3]), 600)
print("answers", flush=True)
time.sleep(600)
"""


def prompts(adapted: Adapted) -> list[list[int]]:
    tokenizer = adapted.policy.tokenizer
    turns = [[{"role": "user", "content": text}] for text in QUESTIONS]
    ids: list[list[int]] = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    return ids


@pytest.fixture
def sampler(served: Served, tmp_path: Path) -> Iterator[VLLMSampler]:
    """It leaves no adapter on the server."""
    with closing(VLLMSampler(lambda base: served.client, lambda digest: served.folder, tmp_path / "adapters")) as made:
        yield made


def difference(adapted: Adapted, client: VLLMClient, name: str) -> float:
    """The largest difference over a few sampled tokens after a long prompt, in nats."""
    policy = adapted.policy
    prompt: list[int] = policy.tokenizer(LONG)["input_ids"][:TOKENS]
    [answer] = client.complete(name, [CompletionRequest(prompt, 0)], Decoding(8, 1.0, policy.end_ids, 1))
    batch = pad([prompt], [answer.ids], policy.tokenizer.pad_token_id)
    with torch.no_grad():
        own: Tensor = policy.logprobs(batch)[batch.response]
    return mismatch.measure(own, torch.tensor(answer.logprobs), torch.ones_like(own, dtype=torch.bool)).max


def test_greedy_answers_are_those_of_this_process_token_for_token(
    sampler: VLLMSampler, adapters: list[Adapted]
) -> None:
    policy, asked = adapters[0].policy, prompts(adapters[0])
    both = [source(policy, asked, SamplingSettings(), 48, generator(0), greedy=True) for source in (sample, sampler)]
    print(f"greedy: {int(both[0].batch.response.sum())} tokens")
    assert torch.equal(both[0].batch.ids, both[1].batch.ids)
    assert both[0].answers == both[1].answers


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sampled_tokens_have_the_log_probabilities_of_the_trainer(
    sampler: VLLMSampler, adapters: list[Adapted], temperature: float
) -> None:
    policy = adapters[0].policy
    settings = SamplingSettings(temperature=temperature)
    rollout = sampler(policy, prompts(adapters[0]) * 3, settings, 48, generator(1))
    with torch.no_grad():
        own = policy.logprobs(rollout.batch, temperature)
    found = mismatch.measure(own, rollout.logprobs, rollout.batch.response)
    print(f"temperature {temperature}: {int(rollout.batch.response.sum())} tokens, {found}")
    assert found.max < LIMIT


def test_a_seed_gives_the_same_answers_alone_and_in_a_batch(sampler: VLLMSampler, adapters: list[Adapted]) -> None:
    policy, asked = adapters[0].policy, prompts(adapters[0]) * 3
    together, alone = (
        sampler(policy, asked, SamplingSettings(temperature=0.7, batch=rows), 32, generator(2)) for rows in (16, 1)
    )
    assert torch.equal(together.batch.ids, alone.batch.ids)
    assert torch.equal(together.ended, alone.ended)
    assert len(set(together.answers)) > len(QUESTIONS)


def test_a_name_and_a_folder_that_are_used_again_leave_stale_keys_and_values(
    served: Served, adapters: list[Adapted], tmp_path: Path
) -> None:
    """The trap itself: vLLM mixes two adapters without an error, so that each version needs a name of its own."""
    client, folder = served.client, tmp_path / "adapter"
    for adapted, name in zip(adapters, ("one", "one"), strict=True):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(adapted.folder, folder)
        client.add_adapter(name, folder)
        found = difference(adapted, client, name)
        assert (found < LIMIT) is (adapted is adapters[0]), found
        client.remove_adapter(name)
    client.add_adapter("another", adapters[1].folder)
    assert difference(adapters[1], client, "another") < LIMIT
    client.remove_adapter("another")


class Careless(VLLMClient):
    """Gives every adapter one name and one folder."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url)
        self._one = folder

    def add_adapter(self, name: str, folder: Path) -> None:
        shutil.rmtree(self._one, ignore_errors=True)
        shutil.copytree(folder, self._one)
        super().add_adapter("careless", self._one)

    def remove_adapter(self, name: str) -> None:
        super().remove_adapter("careless")

    def complete(self, model: str, *arguments: object, **options: object) -> list[object]:  # type: ignore[override]
        return super().complete("careless", *arguments, **options)  # type: ignore[arg-type, return-value]


def test_the_comparison_after_a_hand_over_notices_stale_keys_and_values(
    served: Served, adapters: list[Adapted], tmp_path: Path
) -> None:
    prompt: list[int] = adapters[0].policy.tokenizer(LONG)["input_ids"][:TOKENS]
    with closing(Careless(served.client.url, tmp_path / "one")) as client:
        source = VLLMSampler(lambda base: client, lambda digest: served.folder, tmp_path / "adapters")
        source(adapters[0].policy, [prompt], SamplingSettings(), 8, generator(0))
        source.close()
        with pytest.raises(RolloutMismatch, match="does not compute what the trainer computes"):
            source(adapters[1].policy, [prompt], SamplingSettings(), 8, generator(0))
        client.remove_adapter("the one")


def test_nothing_of_a_server_is_left_when_the_round_is_killed(served: Served, tmp_path: Path) -> None:
    words = [sys.executable, "-c", PARENT, str(served.folder), str(free_port()), str(tmp_path)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"answers\n"
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) >= 3  # the keeper, the server, its engine
        parent.send_signal(signal.SIGKILL)
    until(lambda: not any(process.is_running() for process in family), "every process of the server has ended")


def test_a_round_samples_with_vllm_and_has_the_true_gain_of_one_without(workspace: Workspace, tmp_path: Path) -> None:
    gains = {}
    for engine in ("local", "vllm"):
        root = tmp_path / engine
        shutil.copytree(workspace.root, root)
        knobs = (*SMALL, f"sampler.engine={engine}")
        rounds("round", "-w", str(root), *(word for knob in knobs for word in ("-S", knob)))
        made = Workspace(root)
        assert all(read_json(made.report(step)).get("sampler", "local").startswith(engine) for step in SAMPLING)
        record = records.read(made, 1)
        found = record.metrics[POLICY_ROLLOUT_MISMATCH.full]
        assert found < LIMIT
        gains[engine] = [record.metrics[f"evaluate/true_gain{end}"] for end in ("_low", "", "_high")]
        times = {step: f"{seconds.wall:.0f}" for step, seconds in record.times.items()}
        print(engine, gains[engine], found, record.metrics["evaluate/win_rate"], times)
    (low, local, high), (other_low, vllm, other_high) = gains["local"], gains["vllm"]
    assert abs(vllm - local) < WIDER * ((high - low) + (other_high - other_low)) / 2, gains
