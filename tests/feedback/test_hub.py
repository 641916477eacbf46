"""Datasets on the Hugging Face Hub. The hub is replaced by a folder: the library loads both in the same way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

from core.errors import BadFeedback
from feedback import hub
from feedback.schema import FeedbackEvent
from feedback.sources import Intake
from feedback.sources.table import Table

RECORDS = [{"prompt": "Q?", "chosen": "A", "rejected": "B"}, {"prompt": "R?", "chosen": "C", "rejected": "D"}]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the library was asked for; it answers with two records."""
    folder, asked = tmp_path / "folder", []
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    load: Callable[..., Any] = datasets.load_dataset

    def load_dataset(name: str, config: str | None, split: str, revision: str | None) -> Any:
        asked.append((name, config, split, revision))
        return load(str(folder), split=split, cache_dir=str(tmp_path / "cache"))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def test_a_dataset_on_the_hub_is_read_like_a_file(asked: list[tuple[Any, ...]]) -> None:
    source = Table(path=Path("hf://datasets/nvidia/HelpSteer3@0123abc/preference"))
    source.check()
    events = [record for record in source.read(Intake(3, seed=0)) if isinstance(record, FeedbackEvent)]
    assert [(event.source, event.prompt[0].content, event.responses[0].text) for event in events] == [
        ("HelpSteer3", "Q?", "A"),
        ("HelpSteer3", "R?", "C"),
    ]
    assert set(asked) == {("nvidia/HelpSteer3", "preference", "train", "0123abc")}


def test_a_split_that_there_is_not_is_named(asked: list[tuple[Any, ...]]) -> None:
    with pytest.raises(BadFeedback, match=r"hf://datasets/a/b: the split 'test' cannot be loaded .*check the address"):
        Table(path=Path("hf://datasets/a/b"), split="test").check()


@pytest.mark.parametrize("address", ["hf://datasets/a", "hf://models/a/b", "hf://datasets/a/b/c/d"])
def test_what_is_no_address_of_a_dataset_is_refused(address: str) -> None:
    with pytest.raises(BadFeedback, match="write hf://datasets/OWNER/NAME"):
        hub.files(Path(address), "train")
