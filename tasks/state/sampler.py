"""The section `sampler`: where a round samples answers. Imports no torch, so that `rounds doctor` can check it."""

from pathlib import Path
from typing import Literal

from core.errors import BadParams, NoSampler
from core.reachable import unreachable
from core.settings import BaseSettings
from models import vllm_server
from models.vllm_client import VLLMClient
from models.vllm_server import VLLMSettings
from tasks.state.workspace import PROJECT

PYTHON = PROJECT / ".venv-vllm/bin/python"
"""Of the environment that `make vllm` makes."""

LOCAL = "local"

PATIENCE = 5.0
"""Seconds to wait for a connection when a round is opened."""

LISTED = 30.0
"""Seconds to wait for the list of models: a server that is computing answers late."""


class SamplerSettings(BaseSettings):
    """Where `collect`, `policy`, `sample` and `evaluate` sample answers. Scores and updates are computed in the process
    of the round, whatever samples."""

    engine: Literal["local", "vllm"] = "local"
    """`local`: the process of the round; `vllm`: a vLLM server, for adapters only (docs/engine.md)."""
    vllm: VLLMSettings = VLLMSettings()


def check(knobs: SamplerSettings, adapters: bool, python: Path) -> None:
    """Check, before a round starts, that what samples can be used.

    Args:
        knobs: the section `sampler`.
        adapters: whether the round trains adapters.
        python: the interpreter of the environment with vLLM.

    Raises:
        BadParams: a server cannot sample with these settings.
        NoSampler: the server that is named does not answer, refuses the key, or has no model.
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
    check_server(knobs, python)


def check_server(knobs: SamplerSettings, python: Path) -> None:
    """Check that the server answers and has a model, or can be started.

    Raises:
        NoSampler, NotInstalled: see `check`.
    """
    if knobs.engine == LOCAL:
        return
    if knobs.vllm.url is None:
        vllm_server.check_installed(python)
        return
    if reason := unreachable(knobs.vllm.url, PATIENCE):
        raise NoSampler(
            f"sampler.vllm.url={knobs.vllm.url}: no vLLM server answers ({reason}); start it, or set "
            "-S sampler.engine=local"
        )
    with VLLMClient(knobs.vllm.url, patience=LISTED) as client:
        if not client.models():
            raise NoSampler(
                f"sampler.vllm.url={knobs.vllm.url}: the server has no model; start it with the base of the round, as "
                "docs/engine.md says, or set -S sampler.engine=local"
            )
