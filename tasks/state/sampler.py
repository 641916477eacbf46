"""The section `sampler`: where a round samples answers. Imports no torch, so that `rounds doctor` can check it."""

from pathlib import Path
from typing import Literal

from core.errors import BadParams, NoSampler
from core.reachable import unreachable
from core.settings import BaseSettings
from models import vllm_server
from models.vllm_server import VLLMSettings
from tasks.state.workspace import PROJECT

PYTHON = PROJECT / ".venv-vllm/bin/python"
"""Of the environment that `make vllm` makes."""

LOCAL = "local"

PATIENCE = 5.0
"""Seconds to wait for a server when a round is opened."""


class SamplerSettings(BaseSettings):
    """Where `collect`, `policy`, `sample` and `evaluate` sample answers. Scores and updates are computed in the process
    of the round, whatever samples."""

    engine: Literal["local", "vllm"] = "local"
    """`local`: the process of the round; `vllm`: a vLLM server, for adapters only (docs/engine.md)."""
    vllm: VLLMSettings = VLLMSettings()


def check(knobs: SamplerSettings, adapters: bool, processes: int, python: Path) -> None:
    """Check, before a round starts, that what samples can be used.

    Args:
        knobs: the section `sampler`.
        adapters: whether the round trains adapters.
        processes: how many train the policy.
        python: the interpreter of the environment with vLLM.

    Raises:
        BadParams: a server cannot sample with these settings.
        NoSampler: the server that is named does not answer.
        NotInstalled: vLLM is to be started, and is not there.
    """
    if knobs.engine == LOCAL:
        return
    if not adapters:
        raise BadParams(
            "sampler.engine=vllm needs model.adapter: a server gets each version of the policy as an adapter, but it "
            "would have to be started anew for each version of a whole model; set -S sampler.engine=local, or train "
            "adapters"
        )
    if processes > 1:
        raise BadParams(
            f"sampler.engine=vllm samples for one process, and policy.launch.processes is {processes}; set -S "
            "policy.launch.processes=1"
        )
    check_server(knobs, python)


def check_server(knobs: SamplerSettings, python: Path) -> None:
    """Check that the server answers, or can be started.

    Raises:
        NoSampler, NotInstalled: see `check`.
    """
    if knobs.engine == LOCAL:
        return
    if knobs.vllm.url is None:
        vllm_server.check_installed(python)
    elif reason := unreachable(knobs.vllm.url, PATIENCE):
        raise NoSampler(
            f"sampler.vllm.url={knobs.vllm.url}: no vLLM server answers ({reason}); start it, or set "
            "-S sampler.engine=local"
        )
