"""A vLLM server that this program starts: a program of another environment, which ends with this one.

`make vllm` makes the environment: vLLM needs other versions of transformers and torch than the project. A keeper
(`core.keeper`) starts the server, and ends it and all of its processes when this program ends, however it ends.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
from pydantic import Field

from core.errors import NoSampler, NotInstalled
from core.log_file import tail
from core.settings import BaseSettings

LOG = "server.log"
BASE_NAME = "base"
"""What a started server calls its base."""

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The largest ranks of adapters that vLLM can be started with."""

BATCHED_TOKENS = 2048
"""Tokens that a server computes in one step, unless a single text may be longer."""

_TORCHRUN = re.compile(r"TORCHELASTIC_.*|MASTER_(ADDR|PORT)|((LOCAL_|GROUP_|ROLE_)?(RANK|WORLD_SIZE))|ROLE_NAME")
"""Names of the environment variables that torchrun sets for a rank."""

_GRACE = 10.0
"""Seconds that the server has for its own end before it is killed."""
_PAUSE = 0.2
"""Seconds between two looks at whether it answers."""
_LINES = 20
"""Last lines of its log that an error shows."""


class VLLMSettings(BaseSettings):
    """A vLLM server that samples; only with `sampler.engine: vllm`."""

    url: str | None = None
    """Address of a server that runs, for example `http://gpu-1:8000`; it reads adapters from the workspace, by the same
    path. null starts one on this machine in each step that samples (`make vllm` installs it)."""
    cache_gib: int = Field(1, ge=1)
    """GiB of memory for keys and values of a server that is started."""
    arguments: tuple[str, ...] = ()
    """Further arguments of a server that is started, for example `["--tensor-parallel-size", "2"]`."""
    start_limit: float = Field(600.0, gt=0)
    """Seconds in which a server that is started must answer."""


class ServedBase(NamedTuple):
    """What a server is started with."""

    digest: str
    """Of the base."""
    rank: int
    """Largest rank of an adapter."""


class ServerSize(NamedTuple):
    """How much a server must be able to do."""

    tokens: int
    """Largest number of tokens of a prompt with its answer."""
    rows: int
    """Answers that it samples at once."""
    dtype: str
    """`float32` or `bfloat16`."""
    threads: int
    """On a CPU."""


def check_installed(python: Path) -> None:
    """Check that an environment has vLLM; nothing is imported.

    Raises:
        NotInstalled: it has not.
    """
    packages = python.parent.parent.glob("lib/python*/site-packages/vllm/entrypoints/openai/api_server.py")
    if not python.exists() or not any(packages):
        raise NotInstalled(
            f"sampler.engine=vllm: there is no vLLM in {python.parent.parent}; install it with `make vllm`, name a "
            "server that runs with sampler.vllm.url, or set -S sampler.engine=local"
        )


def command(
    python: Path, base: Path, served: ServedBase, size: ServerSize, settings: VLLMSettings, port: int
) -> list[str]:
    """The command that starts a server on the loopback address."""
    return [
        *(str(python), "-I", "-m", "vllm.entrypoints.openai.api_server"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--model", str(base), "--served-model-name", BASE_NAME),
        *("--dtype", size.dtype, "--max-model-len", str(size.tokens), "--max-num-seqs", str(size.rows)),
        # a prompt is computed at once: vLLM draws a token for each part of one, and on a CPU, where it cannot take the
        # random numbers of a seed back, ends with an error
        *("--no-enable-chunked-prefill", "--max-num-batched-tokens", str(max(size.tokens, BATCHED_TOKENS))),
        *("--enable-lora", "--max-loras", "1", "--max-lora-rank", str(_rank(served.rank))),
        # of the tokens as they are drawn, at the temperature of the request; and no settings of the base's own
        *("--logprobs-mode", "processed_logprobs", "--generation-config", "vllm", "--seed", "0"),
        *("--kv-cache-memory-bytes", str(settings.cache_gib * 2**30)),
        *settings.arguments,
    ]


def environment(size: ServerSize, settings: VLLMSettings) -> dict[str, str]:
    """The environment variables of a server, in addition to those of this process."""
    return {
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_CPU_KVCACHE_SPACE": str(settings.cache_gib),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(size.threads),
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }


class VLLMServer:
    """A server that was started."""

    def __init__(
        self, words: Sequence[str], variables: Mapping[str, str], port: int, folder: Path, limit: float
    ) -> None:
        """Start it, and wait until it answers.

        Args:
            words: see `command`.
            variables: see `environment`.
            port: where it listens.
            folder: for its log; made if missing.
            limit: seconds in which it must answer.

        Raises:
            NoSampler: it ended before, or did not answer in time.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.url, self._log = f"http://127.0.0.1:{port}", folder / LOG
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "core.keeper", str(self._log), str(_GRACE), *words],
            env={**_own_environment(), **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for this process, which ends the server
        )
        try:
            self._wait(limit)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the server and everything that it has started, and wait for that."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait()

    def trouble(self) -> str:
        """What its log ends with."""
        lines = "\n    ".join(tail(self._log, _LINES))
        return f"; its log {self._log} ends with\n    {lines}\n" if lines else ""

    def _wait(self, limit: float) -> None:
        until = time.monotonic() + limit
        while not self._answers():
            if (status := self._keeper.poll()) is not None:
                raise NoSampler(
                    f"the vLLM server ended with status {status} before it answered{self.trouble()}; correct "
                    "sampler.vllm, install vLLM again, or set sampler.engine=local"
                )
            if time.monotonic() > until:
                raise NoSampler(
                    f"the vLLM server did not answer within {limit:.0f} s{self.trouble()}; raise "
                    "sampler.vllm.start_limit, or set sampler.engine=local"
                )
            time.sleep(_PAUSE)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False


def free_port() -> int:
    """A port of the loopback address on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _rank(rank: int) -> int:
    return next((possible for possible in RANKS if possible >= rank), rank)


def _own_environment() -> dict[str, str]:
    """The environment without torchrun's variables, by which the server would wait for the ranks of a training."""
    return {name: value for name, value in os.environ.items() if not _TORCHRUN.fullmatch(name)}
