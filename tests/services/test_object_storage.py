"""The handover, feedback, the DVC remote and MLflow's artifacts on an S3-compatible server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import BadFeedback, BadWorkspace, Damaged
from core.files import digest
from feedback.schema import FeedbackEvent
from feedback.sources import Intake
from feedback.sources.jsonl import JSONL
from feedback.sources.table import Table
from tasks.state import records
from tasks.state.workspace import Workspace
from tasks.tools.handover import Handover, NoHandover
from tasks.tools.remotes import DvcSettings
from tests.profile import PROMOTE, TINY
from tests.services.object_store import ObjectStore, object_store
from tests.services.programs import BIN, free_port, run_command, surroundings
from tests.services.site import mlflow
from tests.workspaces import Furnish

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """Four empty buckets."""
    buckets = ("handover", "feedback", "data", "artifacts")
    with object_store(buckets, tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def store(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The same, where clients of this process find it."""
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    return server


def test_a_handover_in_a_bucket(store: ObjectStore, tmp_path: Path) -> None:
    handover = Handover("s3://handover/rounds", "mine")
    handover.check()
    assert store.names("handover/**") == []
    (tmp_path / "given").write_bytes(b"abc")
    content = handover.put(tmp_path / "given", "objects")
    handover.get(content, "objects", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"abc"
    assert handover.read("a/b.json") is None
    for value in ({"one": 1}, {"two": 2}):
        handover.write("a/b.json", value)
        assert handover.read("a/b.json") == value
    assert handover.folders() == ["a", "objects"]
    store.files.pipe_file(f"handover/rounds/mine/objects/{content.sha256}", b"abd")
    with pytest.raises(Damaged, match="was damaged"):
        handover.get(content, "objects", tmp_path / "got")
    with pytest.raises(Damaged, match="is missing"):
        handover.get(content, "objects", tmp_path / "got")
    for name in handover.folders():
        handover.drop(name)
    handover.drop("a")
    assert (handover.folders(), store.names("handover/**")) == ([], [])


@pytest.mark.usefixtures("store")
def test_a_bucket_that_is_not_there_is_named() -> None:
    with pytest.raises(NoHandover, match=r"handover s3://nowhere/x cannot be written .*versioning\.handover"):
        Handover("s3://nowhere/x").check()


def lines(*prompts: str) -> bytes:
    given = ({"prompt": prompt, "chosen": "Please send it back.", "rejected": "No."} for prompt in prompts)
    return "".join(json.dumps(record) + "\n" for record in given).encode()


def test_feedback_in_a_bucket_is_read_like_files(store: ObjectStore) -> None:
    store.files.pipe_file("feedback/one/b.jsonl", lines("Third?"))
    store.files.pipe_file("feedback/one/a.jsonl", lines("First?", "Second?"))
    store.files.pipe_file("feedback/one-more/c.jsonl", lines("Not this one?"))

    def prompts(source: JSONL) -> list[str]:
        source.check()
        found = [event for event in source.read(Intake(1, seed=0)) if isinstance(event, FeedbackEvent)]
        return [f"{event.source}: {event.prompt[0].content}" for event in found]

    for source in (JSONL(path=Path("s3://feedback/one")), Table(path=Path("s3://feedback/one"))):
        assert prompts(source) == ["a: First?", "a: Second?", "b: Third?"]
    source = JSONL(path=Path("s3://feedback/one/b.jsonl"))
    before = source.fingerprint()
    assert prompts(source) == ["b: Third?"]
    assert source.fingerprint() == before
    store.files.pipe_file("feedback/one/b.jsonl", lines("Changed?"))
    assert prompts(source) == ["b: Changed?"]
    assert source.fingerprint() != before
    for nothing in ("s3://feedback/two", "s3://nowhere/x"):
        with pytest.raises(BadFeedback, match=nothing):
            JSONL(path=Path(nothing)).check()


def configured(workspace: Workspace, url: str, more: str = "") -> DvcSettings:
    """DVC's settings with one remote."""
    with (workspace.root / ".dvc/config").open("a") as config:
        config.write(f"['remote \"store\"']\n    url = {url}\n{more}")
    return DvcSettings(workspace.root)


def test_a_remote_in_a_bucket_is_checked_when_a_round_opens(
    furnish: Furnish, server: ObjectStore, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(furnish(tmp_path / "empty"), "s3://data/nothing-yet").check("store")
    with pytest.raises(BadWorkspace, match=r"remote 'store' \(s3://nowhere/rounds\) cannot be used"):
        configured(furnish(tmp_path / "missing"), "s3://nowhere/rounds").check("store")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    named = f"    endpointurl = {server.env['AWS_ENDPOINT_URL']}\n"
    configured(furnish(tmp_path / "named"), "s3://data/nothing-yet", named).check("store")


def test_a_round_with_everything_in_buckets_is_restored_and_replayed_elsewhere(
    furnish: Furnish, store: ObjectStore, tmp_path: Path
) -> None:
    """Feedback from one bucket, data to another, weights to a third; nothing but S3, MLflow's database and a backup
    without the data is left of the first machine."""
    workspace, port = furnish(tmp_path / "workspace"), free_port()
    configured(workspace, "s3://data/rounds")
    store.files.pipe_file("feedback/parts/a.jsonl", lines(*(f"How do I return item {number}?" for number in range(12))))
    sources = "ingest.sources=[{use: simulated, demonstrations: 250}, {use: jsonl, path: 's3://feedback/parts'}]"
    settings = [word for knob in (*TINY, PROMOTE, sources, "versioning.remote=store") for word in ("-S", knob)]
    env = surroundings(
        **store.env,
        MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}",
        PREFECT_HOME=str(tmp_path / "prefect"),
        DVC_SITE_CACHE_DIR=str(tmp_path / "site-cache"),
    )

    def rounds(*said: object) -> str:
        done = run_command([str(BIN / "python"), "-m", "cli", *map(str, said)], env, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    kept = Workspace(tmp_path / "server")
    kept.root.mkdir()
    with mlflow(kept, port, tmp_path, artifacts="s3://artifacts/rounds", **store.env):
        rounds("round", *settings, "-w", workspace.root)
        record, weights = records.read(workspace, 1), digest(workspace.checkpoint("policy"))
        assert record.new_feedback > 12
        assert [name for name in store.names("artifacts/rounds/**") if name.endswith(".safetensors")]
        assert store.names("data/rounds/files/md5/*/*")
        assert not kept.artifacts.exists()

        rounds("backup", tmp_path / "backup", "--without-cache", "-w", workspace.root)
        workspace.root.rename(tmp_path / "gone")
        rounds("restore", tmp_path / "backup", "-w", tmp_path / "restored")
        output = rounds("replay", "1", "--into", tmp_path / "again", "-w", tmp_path / "restored")
        assert "Identical: round 1" in output
        assert digest(Workspace(tmp_path / "again").checkpoint("policy")) == weights
        assert json.loads(rounds("lineage", "policy@champion", "--json", "-w", tmp_path / "nothing"))
