"""All models of a workspace share one tokenizer."""

from pathlib import Path

import pytest

from core.errors import BadModel
from core.files import digest
from models import tokenizer as tokenizers
from models.policy import ModelSettings, Policy, build, check_base

SHAPE = ModelSettings(width=16, layers=1, heads=2, feed_forward=32, vocabulary=300)
BEFORE, NOW = ["the kettle is in stock"] * 9, ["you can return the wardrobe"] * 9


@pytest.fixture
def champion(tmp_path: Path) -> Path:
    """A saved model with a tokenizer trained on BEFORE."""
    build(SHAPE, BEFORE).save(tmp_path / "champion")
    return tmp_path / "champion"


def test_a_given_tokenizer_is_used_instead_of_one_trained_on_new_texts(champion: Path) -> None:
    tokenizer = tokenizers.of(champion)
    assert tokenizer is not None
    assert build(SHAPE, NOW).tokenizer.get_vocab() != tokenizer.get_vocab()
    assert build(SHAPE, NOW, tokenizer=tokenizer).tokenizer.get_vocab() == tokenizer.get_vocab()


def test_before_there_is_a_champion_there_is_no_tokenizer(tmp_path: Path) -> None:
    assert tokenizers.of(tmp_path) is None


def test_loading_and_saving_a_policy_gives_identical_files(champion: Path, tmp_path: Path) -> None:
    Policy.load(champion).save(tmp_path / "again")
    assert digest(tmp_path / "again") == digest(champion)


def test_a_base_model_with_another_tokenizer_than_the_champion_is_refused(champion: Path, tmp_path: Path) -> None:
    build(SHAPE, NOW).save(tmp_path / "base")
    check_base(ModelSettings(base=str(champion)), champion)
    check_base(ModelSettings(base=str(tmp_path / "base")), tmp_path / "no-champion")
    check_base(SHAPE, champion)
    with pytest.raises(BadModel, match=r"base has another tokenizer than the champion.*--workspace DIR"):
        check_base(ModelSettings(base=str(tmp_path / "base")), champion)


def test_an_unreadable_tokenizer_is_an_error_with_its_path(champion: Path) -> None:
    (champion / "tokenizer.json").write_text("{")
    with pytest.raises(BadModel, match=r"model\.base=.*champion"):
        check_base(ModelSettings(base=str(champion)), champion)


@pytest.mark.parametrize(("cache", "cure"), [("/proc/none/hub", "HF_HOME"), (None, "name a folder")])
def test_a_model_that_the_hub_does_not_give_is_an_error_with_the_cure(
    cache: str | None, cure: str, champion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`no/such` is neither a folder nor in the cache, and no hub is asked."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(tokenizers, "HF_HUB_CACHE", cache or str(tmp_path))
    with pytest.raises(BadModel, match=rf"model\.base=no/such.*{cure}"):
        check_base(ModelSettings(base="no/such"), champion)
