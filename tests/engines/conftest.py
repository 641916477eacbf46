"""A real model from the package index, a vLLM server that serves it, and two different adapters of it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from models import peft_files, vllm_server
from models.adapters import AdapterSettings
from models.policy import Policy, load_model
from models.shared_base import SharedBase
from models.vllm_client import VLLMClient
from models.vllm_server import ServedBase, ServerSize, VLLMServer, VLLMSettings, free_port
from tasks.state import bases
from tasks.state.sampler import PYTHON
from tasks.state.workspace import PROJECT, Workspace


class Served(NamedTuple):
    """A base, and the server that has it."""

    folder: Path
    digest: str
    client: VLLMClient


class Adapted(NamedTuple):
    """A policy that is an adapter, and the adapter in peft's format."""

    policy: Policy
    folder: Path


def rounds(*words: str) -> str:
    """What `rounds …` printed, in a process of its own."""
    command = [sys.executable, "-m", "cli", *words]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def command(base: Path, digest: str, port: int) -> tuple[list[str], dict[str, str]]:
    """What starts a server in float32 on one thread, and its environment variables."""
    size, settings = ServerSize(tokens=512, rows=16, dtype="float32", threads=1), VLLMSettings()
    words = vllm_server.command(PYTHON, base, ServedBase(digest, 8), size, settings, port)
    return words, vllm_server.environment(size, settings)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of the preset `real` with its base model, in which no round has run. To be copied."""
    root = tmp_path_factory.mktemp("real") / "workspace"
    rounds("init", str(root), "--preset", "real", "--salt", "tests")
    rounds("base", "fetch", "smollm2", "-w", str(root))
    return Workspace(root)


@pytest.fixture(scope="session")
def served(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """SmolLM2-135M in float32, served with room for 512 tokens."""
    [record] = bases.every(workspace)
    folder, port = bases.folder(workspace, record.digest), free_port()
    words, variables = command(folder, record.digest, port)
    with (
        closing(VLLMServer(words, variables, port, tmp_path_factory.mktemp("server"), 600)) as server,
        closing(VLLMClient(server.url, server.trouble)) as client,
    ):
        yield Served(folder, record.digest, client)


@pytest.fixture(scope="session")
def adapters(served: Served, tmp_path_factory: pytest.TempPathFactory) -> list[Adapted]:
    """Two adapters of rank 8 that change what the base says."""
    torch.set_num_threads(1)
    model, tokenizer = load_model(served.folder, torch.float32)
    base, made = SharedBase(model, tokenizer, served.digest), []
    for seed, name in enumerate(("first", "second")):
        network = base.add(name, AdapterSettings(rank=8), seed)
        shuffle = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in network.state_dict().values():
                weight += torch.randn(weight.shape, generator=shuffle) * 0.02
        folder = tmp_path_factory.mktemp(name)
        for part in ("own", "peft"):
            (folder / part).mkdir()
        network.save(folder / "own", tokenizer)
        peft_files.write(folder / "own", served.folder, served.digest, folder / "peft")
        made.append(Adapted(Policy(network, tokenizer), folder / "peft"))
    return made
