"""Where an upstream server is, how a version is named there, and whether the server has it."""

from typing import Any

import pytest

from core.errors import BadParams
from core.settings import parse
from models.upstream_settings import KEY, NoUpstream, UpstreamSettings
from tests.services.programs import free_port
from tests.serving.fake_openai import FakeOpenAI, writing

DIGEST = "0123456789abcdef"


def test_a_version_is_named_by_its_number_its_digest_or_by_hand() -> None:
    settings = UpstreamSettings(url="http://127.0.0.1:1/v1")
    assert settings.name_of("3", DIGEST) == "policy/3"
    named = settings.model_copy(update={"model": "help-{digest}-v{version}"})
    assert named.name_of("3", DIGEST) == "help-0123456789ab-v3"
    by_hand = parse(
        UpstreamSettings, {"url": "http://127.0.0.1:1/v1", "models": {3: "old", "4": "new"}}, "serving.yaml"
    )
    assert [by_hand.name_of(version, DIGEST) for version in "345"] == ["old", "new", "policy/5"]


@pytest.mark.parametrize(
    ("knob", "value"),
    [("url", "127.0.0.1:1/v1"), ("url", "http://me:secret@host/v1"), ("model", "always-this"), ("model", "{name}")],
)
def test_what_cannot_be_meant_is_refused(knob: str, value: str) -> None:
    values: dict[str, Any] = {"url": "http://127.0.0.1:1/v1", knob: value}
    with pytest.raises(BadParams, match=knob):
        parse(UpstreamSettings, values, "serving.yaml")


def test_adapters_are_handed_over_only_under_names_of_their_content() -> None:
    values = {"url": "http://127.0.0.1:1/v1", "adapters": "/shared"}
    with pytest.raises(BadParams, match=r"needs `\{digest\}` in `model`"):
        parse(UpstreamSettings, values, "serving.yaml")
    assert parse(UpstreamSettings, {**values, "model": "{digest}"}, "serving.yaml").adapters == "/shared"


def test_a_version_that_is_listed_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "s3cret")
    with writing(FakeOpenAI()) as fake:
        settings = UpstreamSettings(url=f"{fake.url}/")
        assert settings.check("2", DIGEST) == "policy/2"
        assert fake.keys == {"Bearer s3cret"}
        with pytest.raises(
            NoUpstream, match=r"has no model 'policy/3', but policy/1, policy/2; load the version there"
        ):
            settings.check("3", DIGEST)


def test_a_server_that_is_away_or_something_else_is_named() -> None:
    with pytest.raises(NoUpstream, match=r"does not answer \(ConnectError: .*; start it, or correct the address"):
        UpstreamSettings(url=f"http://127.0.0.1:{free_port()}/v1").listed()
    with writing(FakeOpenAI()) as fake, pytest.raises(NoUpstream, match=r"status 404: .*; correct serving.yaml"):
        UpstreamSettings(url=fake.url.removesuffix("/v1")).listed()
