"""A version that is an adapter is written where a vLLM server reads it, and loaded there; a whole model is not."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from core.errors import BadModel
from core.files import read_json
from models import adapters
from models.policy import Policy
from models.upstream_adapters import folder_of, hand_over, take_back
from models.upstream_settings import NoUpstream, UpstreamSettings
from tests.models.adapted import moved
from tests.models.test_adapters import shared
from tests.serving.fake_openai import FakeOpenAI, writing


def test_an_adapter_is_written_and_taken_back(tiny: Policy, saved: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    moved(shared(tiny), "policy", 1).save(own, tiny.tokenizer)
    with writing(FakeOpenAI(models=[])) as fake:
        settings = UpstreamSettings(url=fake.url, model="{digest}", adapters=str(tmp_path / "there"))
        hand_over(settings, "a/1", own, saved)
        folder = folder_of(settings, "a/1")
        assert (fake.models, fake.loaded) == (["a/1"], [str(folder)])
        facts = adapters.read(own)
        assert read_json(folder / "adapter_config.json")["r"] == facts.rank
        assert len(load_file(folder / "adapter_model.safetensors")) == len(adapters.read_tensors(own))
        with pytest.raises(NoUpstream, match="status 400: 'has already been loaded'"):
            hand_over(settings, "a/1", own, saved)
        take_back(settings, "a/1")
        assert (fake.models, list((tmp_path / "there").iterdir())) == ([], [])
        with pytest.raises(BadModel, match=r"upstream\.adapters: a/1 is a whole model"):
            hand_over(settings, "a/1", own, None)
