"""What a round needs of its sampler is checked before it starts."""

from pathlib import Path

import pytest

from core.errors import BadParams, NoSampler, NotInstalled
from models.vllm_client import KEY
from models.vllm_server import VLLMSettings, free_port
from tasks.state.sampler import PYTHON, SamplerSettings, check
from tests.models.fake_vllm import FakeVLLM, serving
from tests.tasks.rounds import bases


def test_local_needs_nothing(tmp_path: Path) -> None:
    check(SamplerSettings(), False, tmp_path / "none")


def test_a_whole_model_is_refused_early() -> None:
    with pytest.raises(BadParams, match=r"needs model\.adapter: .*; set -S sampler\.engine=local"):
        check(SamplerSettings(engine="vllm"), False, PYTHON)


def test_vllm_must_be_installed_to_be_started(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="`make vllm`"):
        check(SamplerSettings(engine="vllm"), True, tmp_path / "bin/python")


def test_a_server_that_is_named_must_answer_with_the_key_and_list_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeVLLM(bases.saved(tmp_path / "base"), key="secret-key")
    monkeypatch.setenv(KEY, "another")
    with serving(fake) as url:
        named = SamplerSettings(engine="vllm", vllm=VLLMSettings(url=url))
        with pytest.raises(NoSampler, match="set VLLM_API_KEY to the key of the server"):
            check(named, True, PYTHON)
        monkeypatch.setenv(KEY, "secret-key")
        check(named, True, PYTHON)
        fake.broken["/v1/models"] = 200, '{"data": []}'
        with pytest.raises(NoSampler, match="has no model; start it with the base of the round"):
            check(named, True, PYTHON)
        fake.broken["/v1/models"] = 404, "not found"
        with pytest.raises(NoSampler, match=r"/v1/models with 404: not found; start it as docs/engine\.md says"):
            check(named, True, PYTHON)


def test_a_server_that_is_named_must_answer(tmp_path: Path) -> None:
    with serving(FakeVLLM(bases.saved(tmp_path / "base"))) as url:
        check(SamplerSettings(engine="vllm", vllm=VLLMSettings(url=url)), True, PYTHON)
    gone = VLLMSettings(url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NoSampler, match=r"no vLLM server answers \(127\.0\.0\.1, port .*\); start it"):
        check(SamplerSettings(engine="vllm", vllm=gone), True, PYTHON)
