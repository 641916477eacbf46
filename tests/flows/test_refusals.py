"""What cannot work is refused before anything is trained, with what, where, and the cure."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from core.errors import RoundBusy, StepFailed
from feedback import store
from flows.round import rlhf_round
from models.policy import ModelSettings, build
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.flows.feedback_files import requests, shallow_votes, write
from tests.profile import HOLD, PROMOTE, TINY

pytestmark = [pytest.mark.rounds, pytest.mark.usefixtures("prefect")]

BROKEN = [
    ('{"prompt": "Where is my lamp?", "chosen":', "the line is not JSON"),
    ('["a", "list"]', "the line is not a JSON object"),
    ('{"prompt": "Where is my lamp?", "rejected": "I do not know."}', "chosen is missing"),
    ('{"prompt": "Where is my lamp?", "chosen": 7, "rejected": "I do not know."}', "chosen is neither a string"),
    ('{"prompt": "", "chosen": "Here.", "rejected": "There."}', "prompt is empty"),
    ('{"prompt": "Where is my lamp?", "chosen": "Here.", "rejected": "Here."}', "chosen equals rejected"),
]


def source(path: Path) -> str:
    return f"ingest.sources=[{{use: jsonl, path: {path}}}]"


def refused(rounds: Rounds, workspace: Workspace, *overrides: str) -> str:
    """The message of a round that was refused and has trained nothing."""
    settings = [word for override in (*TINY, *overrides) for word in ("-S", override)]
    said = rounds("round", "-w", workspace.root, *settings)
    assert said.code == 2
    assert not (workspace.data / "checkpoints").exists()
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("policy.kl.targt=6", "kl.targt: there is no such knob; did you mean 'target'?"),
        ("polcy.steps=6", "polcy: there is no such knob; did you mean 'policy'?"),
        ("sft.epochs=many", 'sft.epochs: expected a whole number (got "many")'),
        ("policy.clip=2", "clip: Input should be less than 1 (got 2)"),
        ("policy.use=ppq", "use: 'ppq' names no file in models/algorithms/; there are: ppo"),
        (
            "ingest.sources=[{path: votes.jsonl}]",
            "needs `use: NAME`; there are: argilla, asked, attacker, crowd, hh_rlhf, jsonl, label_page, label_studio,",
        ),
        ("sft.epochs", "-S 'sft.epochs': expected KEY=VALUE"),
        ("curate.split.train=0.9", "make the three shares sum to 1"),
        ("model.base=./nowhere", "nowhere is not a folder"),
    ],
)
def test_a_knob_that_is_wrong(rounds: Rounds, workspace: Workspace, override: str, message: str) -> None:
    assert message in refused(rounds, workspace, override)
    assert not workspace.round.exists()


def test_a_wrong_source_is_refused_after_finished_rounds_too(rounds: Rounds, continued: Workspace) -> None:
    said = rounds("round", "-w", continued.root, "-S", "ingest.sources=[{path: votes.jsonl}]")
    assert (said.code, "needs `use: NAME`" in said.err) == (2, True)


def test_a_source_that_is_not_there(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    said = refused(rounds, workspace, source(tmp_path / "votes.jsonl"))
    assert "votes.jsonl: no such file or folder; set `path` of the source jsonl to one that exists" in said
    assert not workspace.round.exists()


def test_a_base_model_without_tokenizer(
    rounds: Rounds, workspace: Workspace, finished: Workspace, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for name in ("config.json", "model.safetensors"):
        (base / name).symlink_to(finished.checkpoint("sft") / name)
    assert "has no tokenizer" in refused(rounds, workspace, f"model.base={base}")


def test_no_feedback_at_all(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    said = refused(rounds, workspace, source(write(tmp_path / "votes.jsonl", [])))
    assert "votes.jsonl: the file is empty" in said


def test_feedback_that_cannot_be_used_is_kept_with_its_reason(
    rounds: Rounds, workspace: Workspace, tmp_path: Path
) -> None:
    votes = tmp_path / "votes.jsonl"
    votes.write_text("".join(line + "\n" for line, _ in BROKEN))
    assert f"{len(BROKEN)} records are in quarantine" in refused(rounds, workspace, source(votes))
    kept = store.rejections(workspace.feedback)
    assert [record.where for record in kept] == [f"votes.jsonl:{number}" for number in range(1, len(BROKEN) + 1)]
    assert [record.record for record in kept] == [line for line, _ in BROKEN]
    for record, (_, reason) in zip(kept, BROKEN, strict=True):
        assert reason in record.reason


def test_too_few_pairs_to_hold_some_out(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    votes = write(tmp_path / "votes.jsonl", shallow_votes(requests(items=1)[:12]))
    said = refused(rounds, workspace, source(votes), "curate.chosen_as_demonstrations=true")
    assert "round 0, step curate: only 3 of 12 preference pairs" in said
    assert "need 5 (curate.min_holdout)" in said


def test_a_handed_in_file_is_checked_whole(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    votes = tmp_path / "votes.jsonl"
    votes.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n' + BROKEN[2][0])
    said = rounds("feedback", "import", votes, "-w", workspace.root)
    assert said.code == 2
    assert "votes.jsonl:2: chosen is missing" in said.err
    assert not list(workspace.inbox.glob("*.jsonl"))


def test_a_second_round_at_the_same_time(rounds: Rounds, continued: Workspace) -> None:
    with holding(continued.lock, f"round {records.coming(continued)}"):
        said = rounds("round", "--new", "-w", continued.root)
        with pytest.raises(RoundBusy):
            rlhf_round(TINY, str(continued.root))
    assert said.code == 2
    assert f"RoundBusy: round 2 (process {os.getpid()}) is running in {continued.root}" in said.err


@pytest.fixture
def status(continued: Workspace) -> Callable[[str], list[str]]:
    """How the runs of a step ended, newest first; "" is the round itself."""
    store: MlflowClient = Registry(continued.root).store
    experiment = store.get_experiment_by_name("rounds")
    assert experiment is not None

    def ended(step: str) -> list[str]:
        wanted = f"tags.step = '{step}'" if step else "attributes.run_name LIKE 'round %'"
        runs = store.search_runs([experiment.experiment_id], wanted, order_by=["attributes.start_time DESC"])
        return [run.info.status for run in runs]

    return ended


@cures("tasks.rounds.running.RunningRound._explained: rounds round")
def test_a_step_that_fails_says_which_why_and_how_to_go_on(
    rounds: Rounds, continued: Workspace, status: Callable[[str], list[str]]
) -> None:
    """A file lies where the step writes a folder."""
    folder, aside = continued.votes, continued.data / "aside"
    folder.rename(aside)
    folder.touch()
    with pytest.raises(StepFailed) as failure:
        rlhf_round([*TINY, HOLD], str(continued.root))
    assert str(failure.value).startswith("round 2, step vote: FileExistsError: ")
    assert "continue with `rounds round`." in str(failure.value)
    assert (status("vote")[0], status("policy")[0], status("")[0]) == ("FAILED", "FINISHED", "FAILED")
    assert records.unfinished(continued)

    folder.unlink()
    aside.rename(folder)
    assert rounds(*words(str(failure.value), "rounds round")[1:], "-w", continued.root).code == 0
    record = records.read(continued, 2)
    assert (record.number, status("vote")[0], status("")[0]) == (2, "FINISHED", "FINISHED")
    assert len(status("policy")) == 2  # rounds 1 and 2: it was not run again


def test_an_open_round_takes_no_other_knobs(rounds: Rounds, continued: Workspace) -> None:
    shutil.rmtree(continued.preferences)
    continued.preferences.touch()  # a file, where curate writes a folder
    words = [word for override in (*TINY, PROMOTE) for word in ("-S", override)]
    assert rounds("round", "--new", "-w", continued.root, *words).code == 2
    said = rounds("round", "-w", continued.root, *words, "-S", "policy.clip=0.1")
    assert "round 2 is open with other parameters; finish it with `rounds round" in said.err
    continued.preferences.unlink()
    said = rounds("round", "--reopen", "-w", continued.root, *words, "-S", "policy.clip=0.1")
    assert "Round 2: promote" in said.out
    assert records.read(continued, 2).inputs.params["policy"]["clip"] == 0.1


def test_another_base_model_is_refused_where_the_champion_reads_other_tokens(
    rounds: Rounds, continued: Workspace, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    build(ModelSettings(width=16, layers=1, heads=2, feed_forward=32, vocabulary=300), ["hello"]).save(base)
    opened = continued.round.read_bytes()
    settings = [word for override in (*TINY, f"model.base={base}") for word in ("-S", override)]
    said = rounds("round", "--new", "-w", continued.root, *settings)
    assert said.code == 2
    message = " ".join(said.err.split())
    assert f"model.base={base} has another tokenizer than the champion" in message
    assert f"rounds round --workspace DIR -S model.base={base}" in message
    assert continued.round.read_bytes() == opened
