"""How many requests a second does the server answer, beside plain `generate`, and is acknowledged feedback ever lost?

    python -m benchmarks.serving [--requests 200] [--concurrency 1 4 16 64] [--seconds 20]

A policy of the default shape with random weights is registered and served by `python -m serving`, and beside it by
`benchmarks.plain_server`, which calls `generate` behind FastAPI, one request at a time. Both run as processes of their
own on this machine, and are asked the same prompts with the same limit, alternating, so that other load affects both.

Then 64 clients send single thumbs as fast as they are acknowledged; in the middle the server is killed with SIGKILL and
started again on the same port. At the end every acknowledged record must be stored. Writes results/serving.{json,md}.
"""

import argparse
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx
import torch

from core.files import write_json, write_text
from feedback.store import arrivals
from models.policy import ModelSettings, build
from tasks.registry.alias import Registry
from tasks.state import choosing, feedback_database
from tasks.state.inputs import Base, Inputs
from tasks.state.workspace import PROJECT, Workspace
from tasks.tools.tracking import RoundRun

RESULTS = PROJECT / "benchmarks" / "results"

CLIENTS = 64
"""Clients that send feedback at once."""

TOKENS = 32
"""Most tokens of an answer."""

WARM = 5
"""Requests to each server that are not counted: at the first one it imports the database, for example."""

ABOUT = """`rounds` is `python -m serving`; `generate` answers one request at a time behind FastAPI
(`benchmarks/plain_server.py`). Both have the same policy of the default shape with random weights, and write at most
{tokens} tokens. `rounds` stores each answer durably before it is sent, `generate` stores nothing. The first {warm}
requests are not counted. The load is that of all programs on the machine, these included: compare the two servers, not
the seconds with those of another machine."""

PROMPTS = ("where is my parcel", "can I return the lamp", "thank you", "is it on its way")
LIMITS = ModelSettings(max_answer_tokens=TOKENS)


class Load(NamedTuple):
    """What one server did with so many clients."""

    server: str
    clients: int
    requests_a_second: float
    p50: float
    """Seconds."""
    p99: float
    tokens_a_second: float


class Kept(NamedTuple):
    """What became of feedback while the server was killed."""

    acknowledged: int
    lost: int
    """Acknowledged and not stored."""
    stored: int
    inserts_a_second: float


def made(root: Path) -> Workspace:
    """A workspace with one version, which is champion."""
    workspace = choosing.at(root)
    folder = workspace.data / "made"
    build(LIMITS, PROMPTS * 3).save(folder)
    registry, tags = Registry(root), {"round": "0", "round_key": "benchmark"}
    run = RoundRun.open(root, registry.line, "round 0", tags)
    base = Base(name="scratch", digest="scratch")
    params = {"model": LIMITS.model_dump(mode="json")}
    inputs = Inputs(number=0, seed=0, salt="", base=base, code="", feedback="", params=params)
    run.text(inputs.to_yaml(), "round/round.yaml")
    version = registry.register("policy", folder, run.run_id, tags, {})
    registry.promote(version.version, None, "benchmark", "benchmark", kind="bootstrap")
    return workspace


@contextmanager
def running(words: Sequence[str], port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A server as a process, once it is ready."""
    process = subprocess.Popen([sys.executable, "-m", *words], cwd=PROJECT, stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(port)
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until_ready(port: int) -> None:
    """Wait until a server answers.

    Raises:
        TimeoutError: it does not, in two minutes.
    """
    for _ in range(1200):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"nothing is ready at port {port}")


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def load(server: str, port: int, clients: int, requests: int) -> Load:
    """Ask so many requests, so many at once."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", timeout=300, limits=httpx.Limits(max_connections=None)
    ) as http:

        def ask(number: int) -> tuple[float, int]:
            began = time.perf_counter()
            messages = [{"role": "user", "content": PROMPTS[number % len(PROMPTS)]}]
            response = http.post("/v1/chat/completions", json={"messages": messages, "max_tokens": TOKENS})
            tokens: int = response.raise_for_status().json()["usage"]["completion_tokens"]
            return time.perf_counter() - began, tokens

        began = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            answers = list(pool.map(ask, range(requests)))
        took = time.perf_counter() - began
    times = [seconds for seconds, _ in answers]
    return Load(server, clients, requests / took, *percentiles(times), sum(tokens for _, tokens in answers) / took)


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile of at least two durations."""
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49], cuts[98]


def killed(workspace: Workspace, port: int, words: Sequence[str], seconds: float) -> Kept:
    """Send feedback from all clients for so many seconds, and kill the server in the middle."""
    acknowledged: set[str] = set()
    lock, stop = threading.Lock(), threading.Event()

    def send(client: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, verify=False) as http:
            number = 0
            while not stop.is_set():
                number += 1
                name = f"{client}-{number}"
                record = {"prompt": f"Is it {name}?", "completion": "Yes.", "label": True, "id": name}
                try:
                    response = http.post("/v1/feedback", json={"feedback": [record], "user": f"client-{client}"})
                except httpx.TransportError:
                    time.sleep(0.2)
                    continue
                if response.status_code == 200:
                    with lock:
                        acknowledged.add(response.json()["results"][0]["feedback_id"])

    threads = [threading.Thread(target=send, args=(client,)) for client in range(CLIENTS)]
    with running(words, port) as first:
        for thread in threads:
            thread.start()
        time.sleep(seconds / 2)
        first.kill()
        first.wait()
        with running(words, port):
            time.sleep(seconds / 2)
            stop.set()
            for thread in threads:
                thread.join()
    with feedback_database.opened(workspace) as database:
        stored = arrivals.waiting(database, [])
    return Kept(len(acknowledged), len(acknowledged - stored), len(stored), len(acknowledged) / seconds)


def table(loads: Sequence[Load], kept: Kept) -> str:
    """The results as Markdown."""
    lines = ["| server | clients | requests/s | p50 s | p99 s | tokens/s |", "|---|---|---|---|---|---|"]
    for each in loads:
        figures = f"{each.requests_a_second:.1f} | {each.p50:.3f} | {each.p99:.3f} | {each.tokens_a_second:.0f}"
        lines.append(f"| {each.server} | {each.clients} | {figures} |")
    return "\n".join(
        [
            *lines,
            "",
            f"Feedback of {CLIENTS} clients, the server killed in between: {kept.acknowledged:,} records were "
            f"acknowledged ({kept.inserts_a_second:.0f}/s while it ran), {kept.stored:,} are stored, "
            f"{kept.lost} acknowledged ones are lost.",
        ]
    )


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=20.0, help="for which feedback is sent")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the servers too
    with TemporaryDirectory(prefix="serving-") as folder:
        workspace = made(Path(folder) / "workspace")
        ours, plain = free_port(), free_port()
        words = ["serving", "-w", str(workspace.root), "--port", str(ours), "-S", "requests_per_minute=10000000"]
        rival = ["benchmarks.plain_server", str(workspace.data / "made"), str(plain)]
        loads = []
        with running(words, ours), running(rival, plain):
            for server, port in (("rounds", ours), ("generate", plain)):
                load(server, port, 1, WARM)
            for clients in given.concurrency:
                loads.append(load("rounds", ours, clients, given.requests))
                loads.append(load("generate", plain, clients, given.requests))
        kept = killed(workspace, ours, words, given.seconds)
    text = table(loads, kept)
    print(text)
    save(text, loads, kept, given)
    if kept.lost:
        sys.exit(1)


def save(text: str, loads: Sequence[Load], kept: Kept, given: argparse.Namespace) -> None:
    """Write the results, with the machine and its load."""
    cores, busy = len(os.sched_getaffinity(0)), os.getloadavg()[1]
    facts = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, torch "
    facts += f"{torch.__version__}; servers and clients share {cores} of {os.cpu_count()} cores, load {busy:.1f}"
    typed = f"python -m benchmarks.serving --requests {given.requests} --seconds {given.seconds:g} --concurrency "
    typed += " ".join(map(str, given.concurrency))
    about = ABOUT.format(tokens=TOKENS, warm=WARM)
    head = f"# Requests, and feedback while the server is killed\n\n{facts};\n`{typed}`"
    write_text(RESULTS / "serving.md", f"{head}\n\n{about}\n\n{text}\n")
    results = {"loads": [each._asdict() for each in loads], "kept": kept._asdict()}
    write_json(RESULTS / "serving.json", {"facts": facts, "command": typed, **results})


if __name__ == "__main__":
    main()
