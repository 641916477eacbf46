"""On a machine that is too small for a round, the settings that are printed are typed, and the round is accepted.

The memory is that of a container, whose limit is in a file.
"""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from models.scratch import train_tokenizer
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.flows.feedback_files import requests, shallow_votes, write
from tests.profile import TINY
from tests.workspaces import settle

MB = 10**6

Limit = Callable[[int], None]
"""Limits the memory of the container to so many bytes."""


@pytest.fixture
def limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Limit:
    file = tmp_path / "memory.max"

    def limited(size: int) -> None:
        file.write_text(str(size))

    limited(10**12)
    monkeypatch.setattr("models.machine.LIMITS", (file,))
    return limited


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 5.6M parameters, 22 MB in float32: its adapters are small beside it."""
    folder = tmp_path_factory.mktemp("base")
    tokenizer = train_tokenizer([request.text for request in requests(items=2)], 300)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=1024,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def prepared(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with votes."""
    votes = write(tmp_path / "votes.jsonl", shallow_votes(requests(items=5)))
    source = f"ingest.sources=[{{use: jsonl, path: {votes}}}]"
    return settle(workspace, *TINY, source, "curate.chosen_as_demonstrations=true", "vote.annotator=null")


def settings(message: str) -> list[str]:
    """The `-S KEY=VALUE` of a message, as a shell reads them."""
    text = shlex.split(" ".join(message[message.index("-S ") :].split()))
    return text[: 2 * text.count("-S")]


@cures("tasks.rounds.fit.check: -S …")
def test_the_settings_that_are_printed_are_enough(
    rounds: Rounds, prepared: Workspace, base: Path, limit: Limit
) -> None:
    where, named = ("-w", prepared.root), ("-S", f"model.base={base}")
    limit(760 * MB)
    refused = rounds("round", "--new", *where, *named)
    message = " ".join(refused.err.split())
    assert refused.code == 2, refused
    assert "of memory, and there are 0.8 GB; set -S" in message
    assert "model.adapter={rank: 8}" in settings(message)
    assert json.loads(rounds("plan", "--json", "--new", *where, *named).out)["because"][0] in message
    planned = json.loads(rounds("plan", "--json", "--new", *where, *named, *settings(message)).out)
    assert (planned["would"], planned["round"]) == ("open", 0), planned["because"]
    assert planned["memory"]["fits"]


@pytest.mark.rounds
@cures("tasks.rounds.fit.check: rounds rebase")
def test_a_whole_champion_becomes_the_base_of_adapters(
    rounds: Rounds, prepared: Workspace, base: Path, limit: Limit
) -> None:
    where = ("-w", prepared.root)
    imported = rounds("import", base, "--name", "mine", *where)
    assert imported.code == 0, imported.err
    settle(prepared, "model.base=mine")
    limit(760 * MB)
    refused = rounds("round", *where)
    planned = json.loads(rounds("plan", "--json", *where).out)
    message, [because] = " ".join(refused.err.split()), planned["because"]
    assert (refused.code, planned["would"]) == (2, "refuse"), message
    assert because.partition("`")[0] in message
    assert rounds("plan", *where, "-S", "model.adapter={rank: 8}").code == 2  # the champion has no adapter
    rebased = rounds(*words(message, "rounds rebase")[1:])
    assert rebased.code == 0, rebased.err
    assert settings(message)[1] == "model.base=policy-1"
    planned = json.loads(rounds("plan", "--json", *where, *settings(message)).out)
    assert (planned["would"], planned["round"]) == ("open", 1), planned["because"]
