"""What a round needs of its sampler is checked before it starts."""

from pathlib import Path

import pytest

from core.errors import BadParams, NoSampler, NotInstalled
from models.vllm_server import VLLMSettings, free_port
from tasks.state.sampler import PYTHON, SamplerSettings, check
from tests.models.fake_vllm import FakeVLLM, serving
from tests.tasks.rounds import bases


def test_local_needs_nothing(tmp_path: Path) -> None:
    check(SamplerSettings(), False, 4, tmp_path / "none")


def test_a_whole_model_or_several_processes_are_refused_early() -> None:
    knobs = SamplerSettings(engine="vllm")
    with pytest.raises(BadParams, match=r"needs model\.adapter: .*; set -S sampler\.engine=local"):
        check(knobs, False, 1, PYTHON)
    with pytest.raises(BadParams, match=r"policy\.launch\.processes is 2; set -S policy\.launch\.processes=1"):
        check(knobs, True, 2, PYTHON)


def test_vllm_must_be_installed_to_be_started(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="`make vllm`"):
        check(SamplerSettings(engine="vllm"), True, 1, tmp_path / "bin/python")


def test_a_server_that_is_named_must_answer(tmp_path: Path) -> None:
    with serving(FakeVLLM(bases.saved(tmp_path / "base"))) as url:
        check(SamplerSettings(engine="vllm", vllm=VLLMSettings(url=url)), True, 1, PYTHON)
    gone = VLLMSettings(url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NoSampler, match=r"no vLLM server answers \(127\.0\.0\.1, port .*\); start it"):
        check(SamplerSettings(engine="vllm", vllm=gone), True, 1, PYTHON)
