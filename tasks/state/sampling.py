"""What samples in a step of a round, as the section `sampler` says."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from models import vllm_server
from models.engines.vllm import VLLMSampler
from models.policy import ModelSettings
from models.rollout import Sampler, sample
from models.vllm_client import VLLMClient
from models.vllm_server import ServedBase, ServerSize, VLLMServer, VLLMSettings
from tasks.state import bases
from tasks.state.round import Round
from tasks.state.sampler import LOCAL, PYTHON, SamplerSettings


class RoundSampler(NamedTuple):
    """What samples in one step."""

    sample: Sampler
    name: Callable[[], str]
    """`local`; or `vllm`, with its version once a server was used."""


@contextmanager
def of_step(round: Round, step: str, rows: int) -> Iterator[RoundSampler]:
    """What samples in a step of a round, `rows` answers at once.

    A server is started when the first answers are sampled, and ends with the block.
    """
    knobs = round.knobs("sampler", SamplerSettings)
    if knobs.engine == LOCAL:
        yield RoundSampler(sample, lambda: LOCAL)
        return
    adapters = round.workspace.sampler(step) / "adapters"
    with (
        closing(_Connection(round, knobs.vllm, step, rows)) as connection,
        closing(VLLMSampler(connection.connect, connection.base_folder, adapters)) as sampler,
    ):
        yield RoundSampler(sampler, lambda: connection.name)


class _Connection:
    """The server of a step: started, or connected to, for one base at a time."""

    def __init__(self, round: Round, knobs: VLLMSettings, step: str, rows: int) -> None:
        self.name = "vllm"
        self._round, self._knobs, self._step, self._rows = round, knobs, step, rows
        self._server: VLLMServer | None = None
        self._client: VLLMClient | None = None

    def base_folder(self, digest: str) -> Path:
        return bases.folder(self._round.workspace, digest)

    def connect(self, served: ServedBase) -> VLLMClient:
        self.close()
        if self._knobs.url is None:
            self._server = self._started(served)
            self._client = VLLMClient(self._server.url, self._server.trouble)
        else:
            self._client = VLLMClient(self._knobs.url)
        self.name = f"vllm {self._client.version()}"
        return self._client

    def close(self) -> None:
        if self._client:
            self._client.close()
        if self._server:
            self._server.close()
        self._client = self._server = None

    def _started(self, served: ServedBase) -> VLLMServer:
        model = self._round.knobs("model", ModelSettings)
        tokens = model.max_prompt_tokens + model.max_answer_tokens
        size, port = ServerSize(tokens, self._rows, model.compute.dtype, model.threads), vllm_server.free_port()
        words = vllm_server.command(PYTHON, self.base_folder(served.digest), served, size, self._knobs, port)
        variables = vllm_server.environment(size, self._knobs)
        folder = self._round.workspace.sampler(self._step)
        return VLLMServer(words, variables, port, folder, self._knobs.start_limit)
