"""Settings of a source as they are typed on the command line."""

import json
from pathlib import Path

import pytest

from core.errors import BadFeedback, BadParams
from feedback.trials import typed


def test_the_path_is_added_and_the_override_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")
    tried = typed("{use: oasst, languages: [en]}", tmp_path / "a.jsonl")
    assert tried.source.files() == [tmp_path / "a.jsonl"]
    key, _, value = tried.override.partition("=")
    assert key == "ingest.sources"
    assert json.loads(value) == [{"use": "oasst", "languages": ["en"], "path": str(tmp_path / "a.jsonl")}]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1", "cannot be read as YAML"),
        ("oasst", "expected settings"),
        ("{prompt: q}", "expected settings"),
        ("{use: nothing}", "there are: "),
        ("{use: oasst, tongue: en}", "tongue: there is no such knob"),
        ("{use: argilla, answers: [a, b]}", "prompt: is required"),
    ],
)
def test_settings_that_are_no_source(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")
    with pytest.raises(BadParams, match=problem):
        typed(text, tmp_path / "a.jsonl")


def test_a_file_of_the_settings_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")
    with pytest.raises(BadFeedback, match=r"labels\.xml: there is no such file"):
        typed(f"{{use: label_studio, prompt: q, config: {tmp_path}/labels.xml}}", tmp_path / "a.jsonl")
