"""Round 2 goes on from where round 1 ended; asked again, it answers from the record."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.files import digest, read_json
from feedback import canonical, store
from feedback.sources.jsonl import JSONL
from feedback.store import arrivals
from flows.round import rlhf_round
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.rounds.request import answered
from tasks.state import feedback_database, records
from tasks.state.inputs import Champion
from tasks.state.workspace import PROJECT, Workspace
from tests.commands import Rounds
from tests.flows.feedback_files import requests, shallow_votes, write
from tests.profile import HOLD, PROMOTE, TINY

pytestmark = pytest.mark.rounds

ODD = [f"{first}{second}{third}" for first in "bdgk" for second in "aeiou" for third in ("zzle", "rquax", "mbosh")]
"""Words that no tokenizer has seen."""

ASK = """
import sys
from cli.__main__ import app
app(sys.argv[1:], standalone_mode=False)
print("loaded:", [name for name in ("torch", "prefect", "mlflow", "dvc") if name in sys.modules])
"""


def parts(workspace: Workspace) -> dict[str, str]:
    return {part.name: digest(part) for part in workspace.feedback.glob("*.parquet")}


def test_a_round_follows_the_last_one(finished: Workspace, followed: Workspace) -> None:
    one, two = records.read(finished, 1), records.read(followed, 2)
    assert (two.number, two.parent, two.version) == (2, one.key, "3")
    second = Registry(followed.root).version("2")
    assert two.inputs.champion == Champion(version="2", digest=second.digest)
    assert digest(followed.champion) == second.digest
    assert (two.inputs.salt, two.inputs.base) == (one.inputs.salt, one.inputs.base)


def test_a_candidate_that_is_held_is_registered_and_does_not_replace(followed: Workspace) -> None:
    registry = Registry(followed.root)
    champion = registry.champion()
    assert champion is not None
    assert records.read(followed, 2).verdict.result == "hold"
    assert (champion.version, registry.version("3").tags["verdict"]) == ("2", "hold")
    moves = [entry.facts["now"] for entry in audit.read(followed.audit) if "now" in entry.facts]
    assert moves == ["1", "2"]


def test_new_feedback_joins_the_old(finished: Workspace, followed: Workspace) -> None:
    before, after = parts(finished), parts(followed)
    assert set(after) - set(before) == {"part-00002-0.parquet"}
    assert after | before == after  # no part was touched
    assert records.read(followed, 2).inputs.feedback == store.digest(finished.feedback)
    assert records.metrics(followed, 2)["curate/events"] > records.metrics(followed, 1)["curate/events"]


def test_what_neither_changed_nor_depends_on_a_change_is_skipped(finished: Workspace, followed: Workspace) -> None:
    assert "sft" not in records.read(followed, 2).times
    assert digest(followed.checkpoint("sft")) == digest(finished.checkpoint("sft"))


def test_a_round_is_compared_with_the_round_before(finished: Workspace, followed: Workspace) -> None:
    assert digest(followed.previous / "samples") == digest(finished.samples)
    assert read_json(followed.previous / "champion.json") == records.metrics(finished, 1)
    later = {"drift/reward_psi", "drift/fresh_accuracy", "drift/tie_rate_shift"}  # need a champion that people voted on
    assert records.metrics(followed, 1).keys() & later == set()
    assert records.metrics(followed, 2).keys() >= later | {"drift/prompt_auc", "drift/length_psi"}


def test_drift_asks_the_reward_model_that_knows_nothing_of_the_new_votes(
    finished: Workspace, followed: Workspace
) -> None:
    assert digest(followed.previous / "reward") == Registry(finished.root).version("1", "reward").digest
    assert read_json(followed.previous / "reference.json") == {"round": 1, "spoken": "candidate"}


def test_alarms_are_numbers_and_sentences_and_block_nothing(followed: Workspace) -> None:
    report = read_json(followed.report("drift"))
    alarms = [check for check in report["checks"] if check["alarm"]]
    assert len(report["alarms"]) == len(alarms) == report["metrics"]["alarms"]
    assert {f"{check['name']}_p" for check in report["checks"]} <= report["metrics"].keys()
    verdict = records.read(followed, 2).verdict.findings
    assert [finding.gate for finding in verdict] == ["win_rate"]


def test_the_page_shows_every_check_and_both_rounds(followed: Workspace) -> None:
    page = followed.report("drift").with_suffix(".html").read_text(encoding="utf-8")
    for check in read_json(followed.report("drift"))["checks"]:
        assert page.count(check["look"].split(":")[0]) >= check["alarm"]
    assert "Round 2: " in page
    assert "round 1: " in page
    assert "http" not in page  # nothing is loaded from elsewhere


def test_the_reward_model_is_compared_with_the_champions(followed: Workspace) -> None:
    assert "evaluate/reward_over_champion" not in records.metrics(followed, 1)  # the SFT model learned from none
    assert "evaluate/reward_over_champion" in records.metrics(followed, 2)


def test_nothing_new_is_answered_from_the_record_with_nothing_loaded(finished: Workspace) -> None:
    settings = [word for override in (*TINY, PROMOTE) for word in ("-S", override)]
    asked = [sys.executable, "-c", ASK, "round", "-w", str(finished.root), *settings]
    done = subprocess.run(asked, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "Nothing new since this round" in done.stdout
    assert "Round 1: promote" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_another_knob_is_another_request(finished: Workspace) -> None:
    asked = answered(finished, [*TINY, PROMOTE])
    assert asked is not None
    assert asked.number == 1
    assert answered(finished, [*TINY, HOLD]) is None


def test_new_feedback_in_files_and_in_the_database_is_a_reason_for_one_round(
    rounds: Rounds, prefect: None, continued: Workspace, tmp_path: Path
) -> None:
    *votes, last = shallow_votes(requests(items=1))
    single = canonical.event(last, {"source": "served", "source_id": "1"})
    with feedback_database.opened(continued) as db:
        arrivals.put(db, [single], continued.feedback, datetime.now(UTC))
    assert answered(continued, [*TINY, PROMOTE]) is None
    assert (
        "48 records wait"
        in rounds("feedback", "import", write(tmp_path / "votes.jsonl", votes), "-w", continued.root).out
    )
    settings = [word for override in (*TINY, PROMOTE) for word in ("-S", override)]
    assert "Round 2: promote" in rounds("round", "-w", continued.root, *settings).out
    assert parts(continued).keys() >= {"part-00002-0.parquet"}
    assert [event.source_id for event in store.events(continued.feedback, {2}) if event.source == "served"] == ["1"]
    [name] = records.read(continued, 2).inputs.inbox
    assert [file.name for file in (continued.inbox / "taken").iterdir()] == [name]
    assert feedback_database.waiting(continued) == set()
    assert answered(continued, [*TINY, PROMOTE]) == records.read(continued, 2)


def test_new_demonstrations_make_a_new_sft_model_that_reads_the_same_tokens(
    rounds: Rounds, prefect: None, continued: Workspace, tmp_path: Path
) -> None:
    before = digest(continued.checkpoint("sft"))
    shown = [{"prompt": f"Where is the {word} wombat?", "completion": f"Our {word} wombat is asleep."} for word in ODD]
    rounds("feedback", "import", write(tmp_path / "shown.jsonl", shown), "-w", continued.root)
    record = rlhf_round([*TINY, PROMOTE], str(continued.root))
    assert record is not None
    assert digest(continued.checkpoint("sft")) != before
    models = [continued.champion, *map(continued.checkpoint, ("sft", "reward", "judge", "policy"))]
    assert len({(model / "tokenizer.json").read_bytes() for model in models}) == 1
    # nats a sequence; a reference that reads other tokens would find what the champion writes all but impossible
    assert abs(record.metrics["policy/objective/kl"]) < 10


def test_a_file_that_grew_is_a_reason_for_a_round(tmp_path: Path) -> None:
    source = JSONL(path=tmp_path / "votes.jsonl")
    source.path.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
    before = source.fingerprint()
    with source.path.open("a") as votes:
        votes.write('{"prompt": "d", "chosen": "e", "rejected": "f"}\n')
    assert source.fingerprint() != before
