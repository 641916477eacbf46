"""Workspaces whose policy has small versions of random weights, and a server for one of them."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from models.concurrent import ConcurrentDecoder
from models.hosting import HostedPolicy
from models.policy import ModelSettings, build
from serving.context import Serving
from serving.loaded import ServedVersion
from serving.settings import ServingSettings
from tasks.registry.alias import Registry
from tasks.state.inputs import Base, Inputs
from tasks.state.workspace import PROJECT, Workspace
from tasks.tools.tracking import RoundRun
from tests.models.conftest import TEXTS

LIMITS = ModelSettings(
    width=16, layers=1, heads=2, feed_forward=32, vocabulary=300, max_prompt_tokens=64, max_answer_tokens=48
)
SETTINGS = ServingSettings(poll=0.05, idle=0.0, requests_per_minute=100_000)
PROMPT = [{"role": "user", "content": "where is my parcel"}]
SECONDS = 60


def register(workspace: Workspace, number: int, tags: dict[str, str] | None = None) -> str:
    """Register a policy with random weights as the candidate of a round; its version."""
    folder = policy_folder(workspace, number)
    build(LIMITS, TEXTS, seed=number).save(folder)
    return register_folder(workspace, number, folder, tags)


def register_folder(workspace: Workspace, number: int, folder: Path, tags: dict[str, str] | None = None) -> str:
    """Register a saved policy as the candidate of a round; its version."""
    registry = Registry(workspace.root)
    facts = {"round": str(number), "round_key": f"key{number}"}
    run = RoundRun.open(workspace.root, registry.line, f"round {number}", facts)
    inputs = Inputs(
        number=number,
        seed=0,
        salt="",
        base=Base(name="scratch", digest="scratch"),
        code="",
        feedback="",
        params={"model": LIMITS.model_dump(mode="json")},
    )
    run.text(inputs.to_yaml(), "round/round.yaml")
    return registry.register("policy", folder, run.run_id, facts | (tags or {}), {}).version


def make(workspace: Workspace) -> None:
    """Versions 1, 2 and 3, of which 1 is champion and the gates rejected 3."""
    for number in (1, 2):
        register(workspace, number)
    register(workspace, 3, {"verdict": "reject"})
    Registry(workspace.root).promote("1", None, "first", "tests", kind="bootstrap")


def promote(workspace: Workspace, version: str) -> None:
    """Make a version champion."""
    registry = Registry(workspace.root)
    registry.promote(version, registry.alias(), "better", "tests")


def decoder_of(version: ServedVersion) -> ConcurrentDecoder:
    """What writes the answers of a version in memory."""
    assert isinstance(version.writer, HostedPolicy)
    return version.writer.decoder


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def ready(serving: Serving, version: str = "1") -> None:
    """Wait until a version answers."""
    until(lambda: serving.follower.state.champion == version)


@contextmanager
def process(
    workspace: Workspace, *options: str, program: Sequence[str] = ("-m", "serving")
) -> Iterator["subprocess.Popen[str]"]:
    """A server as a process of its own, killed at the end."""
    command = [sys.executable, *program, "-w", str(workspace.root), "--port", "0", *options]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as started:
        try:
            yield started
        finally:  # otherwise a test that fails waits for the server, which does not end
            started.kill()


def address(started: "subprocess.Popen[str]") -> str:
    """Where a process listens; it is killed if it does not say so within two minutes."""
    assert started.stderr is not None
    log: list[str] = []
    limit = threading.Timer(2 * SECONDS, started.kill)
    limit.start()
    try:
        for line in started.stderr:
            log.append(line)
            if found := re.search(r"running on (http://\S+)", line):
                return found[1]
    finally:
        limit.cancel()
    raise AssertionError(f"the server did not start; its log:\n{''.join(log)}")


@contextmanager
def listening(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """The address of a server for the app, over a real socket."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(SECONDS)


def policy_folder(workspace: Workspace, number: int) -> Path:
    """The folder from which a version was registered."""
    return workspace.data / "made" / str(number)
