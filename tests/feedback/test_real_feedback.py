"""Public data sets, unmodified, with their errors; the README says where to put them."""

import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from feedback import store
from feedback.groups import regroup
from feedback.preferences import preferences
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.hh_rlhf import HHRLHF
from feedback.sources.jsonl import JSONL
from feedback.split import SplitSettings

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("RLHF_REAL_DATA", ROOT.parent / "shared" / "data"))


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} does not exist; set RLHF_REAL_DATA to the folder that contains it")
    return path


def separated(records: list[FeedbackEvent | RejectedRecord]) -> tuple[list[FeedbackEvent], list[RejectedRecord]]:
    return (
        [record for record in records if isinstance(record, FeedbackEvent)],
        [record for record in records if isinstance(record, RejectedRecord)],
    )


def test_all_of_hh_rlhf_is_read(tmp_path: Path) -> None:
    source = HHRLHF(path=real("hh_harmless_test/test.jsonl.gz"))
    events, rejected = separated(list(source.read(Intake(round=0, seed=0))))
    assert len(events) + len(rejected) == 2312
    assert {int(record.where.split(":")[1]): record.reason.split(",")[0] for record in rejected} == {
        87: "chosen: turn 4 of 4 is empty",
        517: "chosen: turn 2 of 2 is empty",
        926: "chosen: turn 2 of 2 is empty",
        1104: "chosen: turn 2 of 2 is empty",
        1255: "chosen and rejected differ before their last turns",
        1689: "chosen and rejected differ before their last turns",
        1951: "chosen and rejected differ before their last turns",
        1953: "chosen and rejected differ before their last turns",
        2037: "chosen and rejected differ before their last turns",
    }
    assert Counter(flag for event in events for flag in event.flags) == {
        "role_name_in_text": 45,
        "consecutive_turns": 4,
    }

    grouped = regroup(events)
    assert len({event.prompt_group for event in grouped}) == 2165
    assert store.append(tmp_path, grouped, round=0).new == 2303
    assert store.append(tmp_path, regroup(grouped, store.groups(tmp_path)), round=1) == (0, 2303, ())

    rows = preferences(store.events(tmp_path), SplitSettings(), "salt").rows
    splits_of = defaultdict(set)
    for row in rows:
        splits_of[row.prompt[0]["content"]].add(row.split)
    assert all(len(splits) == 1 for splits in splits_of.values()), "no opening question is in two splits"


def panda_votes(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The three votes of a PandaLM record in the canonical form: 1 and 2 name the better answer, 0 is a tie."""
    judgements = {0: {"outcome": "tie"}, 1: {"ranks": [1, 2]}, 2: {"ranks": [2, 1]}}
    return [
        {
            "kind": "comparison",
            "prompt": f"{record['instruction']}\n\n{record['input']}",
            "responses": [record["response1"], record["response2"]],
            "judgements": [judgements[record[annotator]]],
            "annotator_id": annotator,
            "source_id": str(record["idx"]),
        }
        for annotator in ("annotator1", "annotator2", "annotator3")
    ]


def test_pandalm_votes_through_json_lines(tmp_path: Path) -> None:
    records = json.loads(real("pandalm_human/testset-v1.json").read_text())
    votes = [vote for record in records for vote in panda_votes(record)]
    (tmp_path / "pandalm.jsonl").write_text("".join(json.dumps(vote) + "\n" for vote in votes))
    events, rejected = separated(list(JSONL(path=tmp_path / "pandalm.jsonl").read(Intake(round=0, seed=0))))

    reasons = defaultdict(set)
    for record in rejected:
        reasons[record.reason.partition(" ")[2]].add(json.loads(record.record)["source_id"])
    assert reasons["is neither a string nor a list of messages, expected one of the two"] == {
        "157",
        "158",
        "159",
        "161",
        "162",
        "164",
    }
    assert len(reasons["is empty, expected text"]) == 54
    assert len(reasons) == 2
    assert len(rejected) == 3 * (6 + 54)

    rows, _, counts, _ = preferences(regroup(events), SplitSettings(), "salt")
    assert counts.votes + counts.repeated == 3 * (999 - 6 - 54)
    assert counts.repeated == 306, "different models gave the same two answers"
    assert len(rows) == 837
    assert {row.n_votes for row in rows} == {3}
    assert {round(row.p_chosen, 3) for row in rows} <= {0.5, 0.667, 0.833, 1.0}
