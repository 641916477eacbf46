"""The vLLM server that params.yaml names answers, or can be started."""

from collections.abc import Iterator

from core.errors import NoSampler, NotInstalled
from core.settings import read, section
from tasks.doctor.diagnosis import Diagnosis, error, path
from tasks.state import sampler
from tasks.state.sampler import SamplerSettings
from tasks.state.workspace import PROJECT, Workspace


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """vLLM that is not installed, or does not answer."""
    if not workspace.params.exists():
        return  # the check `params` says so
    knobs = section(SamplerSettings, read(workspace.params), "sampler", workspace.params)
    try:
        sampler.check_server(knobs, sampler.PYTHON)
    except NotInstalled as problem:
        yield error(str(problem), f"make -C {path(PROJECT)} vllm")
    except NoSampler as problem:
        yield error(str(problem))
