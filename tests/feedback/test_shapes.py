"""Files of shapes that are no known form, each brought in as a person does it: inspected, mapped, inspected again."""

import csv
import json
import textwrap
from pathlib import Path

import pytest
import yaml

from feedback import fieldmap
from feedback.inspection import inspect
from feedback.schema import FeedbackEvent
from tests.feedback.shapes import SHAPES, Shape


def outcome(event: FeedbackEvent) -> str:
    """The best answer, the outcome, or the score of the only answer."""
    judgement = event.judgements[0]
    if judgement.outcome != "prefer":
        return judgement.outcome
    if len(event.responses) == 1:
        return str((judgement.scores or ())[0])
    assert judgement.ranks is not None
    return event.responses[judgement.ranks.index(1)].text


def written(shape: Shape, folder: Path) -> Path:
    """The records as a file: a survey as CSV, all others as JSON lines."""
    if shape.name == "the columns of a survey":
        with (folder / "votes.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(shape.records[0]))
            writer.writeheader()
            writer.writerows(shape.records)
        return folder / "votes.csv"
    (folder / "votes.jsonl").write_text("".join(json.dumps(record) + "\n" for record in shape.records))
    return folder / "votes.jsonl"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_file_of_this_shape_is_brought_in_by_a_map(shape: Shape, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(textwrap.dedent(shape.map))
    inspection = inspect(written(shape, tmp_path), fieldmap.load(tmp_path / "map.yaml"))
    events = [event for _, event in inspection.examples]
    assert [outcome(event) for event in events] == shape.outcomes
    assert {tuple(turn.role for turn in event.prompt) for event in events} == {shape.roles}
    strengths = tuple(event.judgements[0].strength for event in events)
    assert strengths == (shape.strengths or (None,) * len(events))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_map_is_the_same_after_it_is_written_down(shape: Shape, tmp_path: Path) -> None:
    """A round freezes the map of a source in round.yaml."""
    (tmp_path / "map.yaml").write_text(textwrap.dedent(shape.map))
    fields = fieldmap.load(tmp_path / "map.yaml")
    (tmp_path / "frozen.yaml").write_text(yaml.safe_dump(fields.model_dump(mode="json")))
    assert fieldmap.load(tmp_path / "frozen.yaml") == fields


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_without_the_map_nothing_is_read(shape: Shape, tmp_path: Path) -> None:
    inspection = inspect(written(shape, tmp_path))
    assert (inspection.usable, inspection.rejected) == (0, len(shape.records))
