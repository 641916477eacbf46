"""A server that is started: the small program here listens as vLLM does; tests/engines/ starts vLLM itself."""

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from core.errors import NoSampler, NotInstalled
from models import vllm_server
from models.vllm_server import LOG, ServedBase, ServerSize, VLLMServer, VLLMSettings, check_installed, free_port
from tests.core.kept import alive, until
from tests.pages import ROOT

SERVED, SIZE = ServedBase("a" * 64, 12), ServerSize(128, 48, "bfloat16", 2)

PROGRAM = """
import http.server, os, subprocess, sys
port, folder = int(sys.argv[1]), sys.argv[2]
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
with open(folder + "/pids", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
torchrun = [name for name in ("RANK", "LOCAL_RANK", "TORCHELASTIC_RUN_ID", "MASTER_PORT") if name in os.environ]
print("listening", os.environ["OMP_NUM_THREADS"], torchrun, flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
"""Listens, and has a child in a session of its own, as vLLM has."""

PARENT = """
import sys, time
from pathlib import Path
from models.vllm_server import VLLMServer
server = VLLMServer(sys.argv[3:], {"OMP_NUM_THREADS": "1"}, int(sys.argv[1]), Path(sys.argv[2]), 60)
print("answers", flush=True)
time.sleep(600)
"""


def words(port: int, folder: Path) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(port), str(folder)]


def pids(folder: Path) -> list[int]:
    return [int(number) for number in (folder / "pids").read_text().split()]


def test_a_server_answers_until_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank of a training starts it too: of the variables by which ranks meet it must not know."""
    for name in ("RANK", "LOCAL_RANK", "TORCHELASTIC_RUN_ID", "MASTER_PORT"):
        monkeypatch.setenv(name, "1")
    port = free_port()
    server = VLLMServer(words(port, tmp_path), {"OMP_NUM_THREADS": "3"}, port, tmp_path, 60)
    started = pids(tmp_path)
    assert server.url == f"http://127.0.0.1:{port}"
    assert alive(started) == started
    assert "listening 3 []" in server.trouble()
    server.close()
    until(lambda: not alive(started), "the server and its child have ended")


def test_a_server_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", PARENT, str(port), str(tmp_path), *words(port, tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"answers\n"
        started = pids(tmp_path)
        assert alive(started) == started
        os.kill(parent.pid, signal.SIGKILL)
    until(lambda: not alive(started), "the server and its child have ended")


def test_a_server_that_ends_early_says_what_it_printed(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "print('no such model'); raise SystemExit(3)"]
    with pytest.raises(NoSampler, match=r"(?s)ended with status 3 before it answered; its log .*no such model\n"):
        VLLMServer(failing, {}, free_port(), tmp_path / "new", 60)
    assert "no such model" in (tmp_path / "new" / LOG).read_text()


def test_a_server_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(NoSampler, match=r"(?s)did not answer within 2 s.*raise sampler\.vllm\.start_limit"):
        VLLMServer([sys.executable, "-c", "import time; time.sleep(600)"], {}, port, tmp_path, 2)


def test_the_command_states_what_changes_results() -> None:
    settings = VLLMSettings(cache_gib=3, arguments=("--enforce-eager",))
    made = vllm_server.command(Path("python"), Path("base"), SERVED, SIZE, settings, 4321)
    pairs = dict(pairwise(made))
    assert {name: pairs[name] for name in ("--model", "--dtype", "--max-model-len", "--max-num-seqs", "--port")} == {
        "--model": "base",
        "--dtype": "bfloat16",
        "--max-model-len": "128",
        "--max-num-seqs": "48",
        "--port": "4321",
    }
    assert (pairs["--logprobs-mode"], pairs["--generation-config"]) == ("processed_logprobs", "vllm")
    assert pairs["--max-lora-rank"] == "16"  # the least that vLLM has for rank 12
    assert pairs["--kv-cache-memory-bytes"] == str(3 * 2**30)
    assert made[-1] == "--enforce-eager"
    assert "--no-enable-chunked-prefill" in made
    assert pairs["--max-num-batched-tokens"] == "2048"
    assert vllm_server.environment(SIZE, settings)["OMP_NUM_THREADS"] == "2"


def test_an_environment_without_vllm_is_refused(tmp_path: Path) -> None:
    python = tmp_path / "bin/python"
    for _ in range(2):
        with pytest.raises(NotInstalled, match=r"there is no vLLM in .*; install it with `make vllm`"):
            check_installed(python)
        python.parent.mkdir(exist_ok=True)
        python.touch()
    module = tmp_path / "lib/python3.11/site-packages/vllm/entrypoints/openai/api_server.py"
    module.parent.mkdir(parents=True)
    module.touch()
    check_installed(python)
