"""A real vLLM server samples what this process does, and one round of a real model runs with it."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from torch import Tensor

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
    *(
        "ingest.sources=[{use: rule, demonstrations: 16}]",
        "collect.prompts=40",
        "collect.answers=2",
        "model.max_answer_tokens=24",
    ),
    *("curate.split={train: 0.4, judge: 0.2, holdout: 0.4}", "curate.min_holdout=5", "model.dtype=float32"),
    *("policy.steps=1", "policy.episodes=8", "sample.prompts=16", "model.threads=1"),
)
"""A few minutes of one core; every step of the preset runs."""

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


def sampler(served: Served, folder: Path, client: VLLMClient | None = None) -> VLLMSampler:
    """A sampler for each test: an adapter that another one has left is handed over again."""
    return VLLMSampler(lambda base: client or served.client, lambda digest: served.folder, folder / "adapters")


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
    served: Served, adapters: list[Adapted], tmp_path: Path
) -> None:
    policy, asked = adapters[0].policy, prompts(adapters[0])
    both = [
        source(policy, asked, SamplingSettings(), 48, generator(0), greedy=True)
        for source in (sample, sampler(served, tmp_path))
    ]
    assert torch.equal(both[0].batch.ids, both[1].batch.ids)
    assert both[0].answers == both[1].answers


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sampled_tokens_have_the_log_probabilities_of_the_trainer(
    served: Served, adapters: list[Adapted], tmp_path: Path, temperature: float
) -> None:
    policy = adapters[0].policy
    settings = SamplingSettings(temperature=temperature)
    rollout = sampler(served, tmp_path)(policy, prompts(adapters[0]) * 3, settings, 48, generator(1))
    with torch.no_grad():
        own = policy.logprobs(rollout.batch, temperature)
    found = mismatch.measure(own, rollout.logprobs, rollout.batch.response)
    print(f"temperature {temperature}: {int(rollout.batch.response.sum())} tokens, {found}")
    assert found.max < LIMIT


def test_a_seed_gives_the_same_answers_alone_and_in_a_batch(
    served: Served, adapters: list[Adapted], tmp_path: Path
) -> None:
    source, policy, asked = sampler(served, tmp_path), adapters[0].policy, prompts(adapters[0]) * 3
    together, alone = (
        source(policy, asked, SamplingSettings(temperature=0.7, batch=rows), 32, generator(2)) for rows in (16, 1)
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
    client = Careless(served.client.url, tmp_path / "one")
    source = sampler(served, tmp_path, client)
    source(adapters[0].policy, [prompt], SamplingSettings(), 8, generator(0))
    client.remove_adapter("first")
    source._name = None  # so that it is not removed again
    with pytest.raises(RolloutMismatch, match="does not compute what the trainer computes"):
        source(adapters[1].policy, [prompt], SamplingSettings(), 8, generator(0))
    client.remove_adapter("second")
    client.close()


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
        record = records.read(Workspace(root), 1)
        assert record.metrics[POLICY_ROLLOUT_MISMATCH.full] < LIMIT
        gains[engine] = [record.metrics[f"evaluate/true_gain{end}"] for end in ("_low", "", "_high")]
        print(engine, gains[engine], {step: seconds.wall for step, seconds in record.times.items()})
    for engine, other in (("local", "vllm"), ("vllm", "local")):
        low, _, high = gains[engine]
        assert low <= gains[other][1] <= high, gains
