"""All models of a workspace read the same tokens."""

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
    """A model that learned to spell the texts of before."""
    build(SHAPE, BEFORE).save(tmp_path / "champion")
    return tmp_path / "champion"


def test_other_texts_would_give_another_tokenizer(champion: Path) -> None:
    theirs = tokenizers.of(champion)
    assert theirs is not None
    assert build(SHAPE, NOW).tokenizer.get_vocab() != theirs.get_vocab()
    assert build(SHAPE, NOW, tokenizer=theirs).tokenizer.get_vocab() == theirs.get_vocab()


def test_before_there_is_a_champion_there_is_no_tokenizer(tmp_path: Path) -> None:
    assert tokenizers.of(tmp_path) is None


def test_a_policy_that_was_read_and_saved_again_is_the_same_files(champion: Path, tmp_path: Path) -> None:
    Policy.load(champion).save(tmp_path / "again")
    assert digest(tmp_path / "again") == digest(champion)


def test_a_base_model_that_spells_otherwise_than_the_champion_is_refused(champion: Path, tmp_path: Path) -> None:
    build(SHAPE, NOW).save(tmp_path / "base")
    check_base(ModelSettings(base=str(champion)), champion)
    check_base(ModelSettings(base=str(tmp_path / "base")), tmp_path / "nobody")
    check_base(SHAPE, champion)
    with pytest.raises(BadModel, match=r"base has another tokenizer than the champion.*--workspace DIR"):
        check_base(ModelSettings(base=str(tmp_path / "base")), champion)


def test_a_tokenizer_that_cannot_be_read_is_named(champion: Path) -> None:
    (champion / "tokenizer.json").write_text("{")
    with pytest.raises(BadModel, match="its tokenizer cannot be read"):
        check_base(ModelSettings(base=str(champion)), champion)
