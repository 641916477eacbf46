"""The SFT model: the base model, trained on the demonstrations if there are any."""

from pathlib import Path

import pytest

from core.errors import BadFeedback
from core.files import digest, read_json
from tasks.steps.sft import sft
from tests.tasks.steps.hand_written import SHAPE, Logged, opened, put, write_demonstrations


def test_a_new_model_needs_demonstrations(tmp_path: Path) -> None:
    round = opened(tmp_path)
    write_demonstrations(round.workspace, 0)
    with pytest.raises(BadFeedback, match=r"model\.base=scratch needs demonstrations"):
        sft(round, Logged())


def test_without_demonstrations_a_pretrained_model_stays_as_it_is(tmp_path: Path, models: Path) -> None:
    round = opened(tmp_path, model=SHAPE | {"base": str(models / "policy")})
    write_demonstrations(round.workspace, 0)
    sft(round, Logged())
    assert read_json(round.workspace.report("sft"))["metrics"] == {"examples": 0, "cut_prompts": 0.0, "cut_answers": 0}
    assert digest(round.workspace.checkpoint("sft")) == digest(models / "policy")


def test_a_new_model_keeps_the_champions_tokenizer_and_depends_on_the_salt_alone(tmp_path: Path, models: Path) -> None:
    digests = []
    for number in (1, 2):
        round = opened(tmp_path / str(number), number=number, sft={"epochs": 1})
        put(models / "policy", round.workspace.champion)
        write_demonstrations(round.workspace, 2)
        sft(round, Logged())
        digests.append(digest(round.workspace.checkpoint("sft")))
        assert digest(round.workspace.checkpoint("sft") / "tokenizer.json") == digest(
            models / "policy" / "tokenizer.json"
        )
    assert digests[0] == digests[1]
