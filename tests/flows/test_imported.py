"""A LoRA of one's own as the first version: rounds continue it, and the records know it and its base."""

import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

from core.errors import BadModel
from core.files import digest
from models import adapters
from tasks.history.replay import replay
from tasks.history.unneeded_bases import unneeded
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.registry.bases import DIGEST_TAG
from tasks.rounds import imported_model, opening, plan
from tasks.rounds.fetching import fetch
from tasks.rounds.imported_model import TAG
from tasks.rounds.importing import ImportedModel, import_model
from tasks.state import bases, imports, records
from tasks.state import round as rounds_state
from tasks.state.bases import BaseRecord
from tasks.state.workspace import Workspace
from tasks.steps.collect import collect
from tests.commands import Rounds
from tests.cures import cures, words
from tests.flows.feedback_files import requests, shallow_votes, write
from tests.flows.test_base_models import FAMILIES, saved
from tests.models.test_peft_reading import trained
from tests.profile import PROMOTE, TINY
from tests.tasks.doctor.cures import diagnoses
from tests.workspaces import Furnish, moved, run_round, settle

pytestmark = [
    pytest.mark.rounds,
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning"),  # peft reads it
]

ADAPTER = "model.adapter={rank: 2, alpha: 8.0, targets: [q_proj, v_proj]}"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base, a LoRA of it, and votes."""
    folder = tmp_path_factory.mktemp("sources")
    trained(saved(FAMILIES["llama"], folder / "base"), folder / "lora", lora_dropout=0.1)
    write(folder / "votes.jsonl", shallow_votes(requests(items=5)))
    return folder


def knobs(sources: Path) -> list[str]:
    source = f"ingest.sources=[{{use: jsonl, path: {sources / 'votes.jsonl'}}}]"
    small = ("policy.steps=1", "vote.annotator=null", "sample.prompts=8", "curate.chosen_as_demonstrations=true")
    return [*TINY, PROMOTE, source, *small]


@pytest.fixture(scope="module")
def imported(furnish: Furnish, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The LoRA was imported; no round ran since. To be read."""
    workspace = settle(furnish(tmp_path_factory.mktemp("imported") / "workspace"), *knobs(sources), ADAPTER)
    fetch(workspace, str(sources / "base"), "mine")
    settle(workspace, "model.base=mine")
    import_model(workspace, sources / "lora")
    return workspace


@pytest.fixture(scope="module")
def followed(imported: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The same with round 1, which was promoted. To be read."""
    workspace = moved(imported, tmp_path_factory.mktemp("followed") / "workspace")
    assert run_round(workspace, []).number == 1
    return workspace


def base_of(workspace: Workspace) -> BaseRecord:
    record = bases.find(workspace, "mine")
    assert record is not None
    return record


def test_the_lora_is_version_1_as_it_is(imported: Workspace) -> None:
    registry, record = Registry(imported.root), records.read(imported, 0)
    [version] = registry.versions("policy")
    base = record.inputs.base
    assert (registry.alias(), version.version, record.version) == ("1", "1", "1")
    assert version.digest == base.imported == digest(imported.checkpoint("sft"))
    assert (version.tags["bootstrap"], version.tags[TAG]) == ("true", base.imported)
    assert version.tags[DIGEST_TAG] == base_of(imported).digest == base.digest
    assert json.loads(version.tags["adapter"]) == {"rank": 2, "alpha": 8.0, "targets": ["q_proj", "v_proj"]}
    assert len(version.tags["prompt_template"]) == 64
    assert "sft/loss" not in record.metrics
    *_, moved_alias = audit.read(imported.audit)
    assert (moved_alias.event, moved_alias.facts["now"]) == ("bootstrap", "1")
    assert str(base.imported) in str(moved_alias.facts["reason"])
    assert plan.plan(imported, []).would == "open"


def test_the_next_round_continues_it_and_is_held_near_it(followed: Workspace) -> None:
    registry, record = Registry(followed.root), records.read(followed, 1)
    version = registry.version(record.version)
    assert (record.verdict.result, registry.alias(), version.version) == ("promote", "2", "2")
    assert record.inputs.base == records.read(followed, 0).inputs.base
    assert version.tags[TAG] == record.inputs.base.imported == digest(followed.checkpoint("sft"))
    assert adapters.read(followed.checkpoint("policy")) == adapters.read(followed.checkpoint("sft"))
    assert digest(followed.checkpoint("policy")) != digest(followed.checkpoint("sft"))


@pytest.mark.parametrize("number", ["0", "1"])
def test_replayed_its_rounds_have_the_same_weights(followed: Workspace, tmp_path: Path, number: str) -> None:
    shutil.copytree(followed.root, tmp_path / "copy")
    copy = Workspace(tmp_path / "copy")
    for folder in (copy.bases, copy.imported("")):  # they come from the registry
        shutil.rmtree(folder)
    result = replay(copy, number, tmp_path / "replayed", None, judge=number == "1")
    names = {output.what for output in result.compared}
    assert names >= ({"policy/1"} if number == "0" else {"policy/2", "reward/1", "data/checkpoints/judge"})
    assert result.differing == []


def test_the_records_name_base_and_adapter(followed: Workspace, rounds: Rounds, tmp_path: Path) -> None:
    base, where = base_of(followed), ("-w", followed.root)
    for query in ("policy@champion", base.digest[:12]):
        traced = rounds("lineage", query, *where)
        assert traced.code == 0, traced.err
        assert f"adapter of the base {base.digest[:16]}" in traced.out
    listed = json.loads(rounds("lineage", "policy/2", "--json", *where).out)["rounds"][0]["versions"]
    assert [(each["base"], each["adapter"]) for each in listed] == [(base.digest, True)] * 2
    assert rounds("evidence", "policy/2", "--into", tmp_path / "one.zip", *where).code == 0
    with ZipFile(tmp_path / "one.zip") as archive:
        registered = json.loads(archive.read("registry.json"))
        card = archive.read("model-card.md").decode()
    assert registered["base"]["files"].keys() == base.files.keys()
    assert (registered["tags"][DIGEST_TAG], f"digest `{base.digest[:12]}`" in card) == (base.digest, True)
    registry = Registry(followed.root)
    first = registry.store.get_model_version(registry.line.model("policy"), "1")
    assert "it was imported" in str(first.description)
    changes = json.loads(rounds("diff", "0", "1", "--json", *where).out)
    assert (changes["params"], "base.digest" in changes["inputs"]) == ({}, False)
    assert "2" in rounds("show", "1", *where).out


def test_gc_keeps_the_base_that_a_version_names(followed: Workspace, rounds: Rounds, tmp_path: Path) -> None:
    workspace = moved(followed, tmp_path / "copy")
    kept, other = base_of(workspace), fetch(workspace, str(saved(FAMILIES["qwen3"], tmp_path / "other")))
    settle(workspace, "model.base=scratch", "model.adapter=null")
    workspace.round.unlink()  # so that only the registry names it
    shutil.rmtree(workspace.champion)
    assert [record.digest for record in unneeded(workspace)] == [other.digest]
    assert workspace.base(kept.digest).is_dir()


@cures("tasks.rounds.imported_model.provide: rounds rebase")
def test_a_backup_has_base_and_import(followed: Workspace, rounds: Rounds, tmp_path: Path) -> None:
    saved_to, restored = tmp_path / "saved", tmp_path / "restored"
    assert rounds("backup", saved_to, "-w", followed.root).code == 0
    result = rounds("restore", saved_to, "-w", restored)
    assert result.code == 0, result.err
    again, base = Workspace(restored), records.read(followed, 1).inputs.base
    assert imports.adapter(again, base) == again.imported(str(base.imported))
    assert bases.fault(again, base_of(again)) is None
    assert diagnoses("bases", again) == []
    shutil.rmtree(again.imported(str(base.imported)))
    assert [found.severity for found in diagnoses("bases", again)] == ["warning"]
    with pytest.raises(BadModel, match=str(base.imported)):
        imports.adapter(again, base)
    imported_model.provide(again, Registry(restored), base)  # from the registry
    assert imports.present(again, base)
    with pytest.raises(BadModel) as refused:
        imported_model.provide(again, Registry(restored), base.model_copy(update={"imported": "0" * 64}))
    assert rounds(*words(str(refused.value), "rounds rebase")[1:], "-w", restored).code == 0


def test_an_import_killed_in_a_step_goes_on(workspace: Workspace, sources: Path) -> None:
    settle(workspace, *knobs(sources))
    base = fetch(workspace, str(sources / "base"), "whole")
    opening.start(workspace, ['model.base="whole"'], imported=base.digest)(collect)
    opened = rounds_state.circumstances(workspace)
    result = import_model(workspace, sources / "base", name="whole")
    assert (result.record.opened, result.record.version) == (opened, "1")
    assert result.record.inputs.base.imported == base.digest


def test_an_import_killed_before_its_record_goes_on(imported: Workspace, sources: Path, tmp_path: Path) -> None:
    workspace = moved(imported, tmp_path / "copy")
    before = records.read(workspace, 0)
    (workspace.rounds / "00000.json").unlink()
    again = import_model(workspace, sources / "lora")
    assert _same(again, before)
    assert len(Registry(workspace.root).versions("policy")) == 1
    assert len(audit.read(workspace.audit)) == len(audit.read(imported.audit))
    assert import_model(workspace, sources / "lora").record == again.record


def _same(result: ImportedModel, before: records.RoundRecord) -> bool:
    record = result.record
    return (record.key, record.version, record.registered) == (before.key, before.version, before.registered)


@cures(
    "tasks.rounds.importing._running: --reopen",
    "tasks.rounds.importing._refuse_later: rounds init NEW",
    "tasks.rounds.importing._refuse_later: rounds import FOLDER -w NEW",
)
def test_an_open_round_and_a_champion_are_in_the_way(
    workspace: Workspace, sources: Path, rounds: Rounds, tmp_path: Path
) -> None:
    settle(workspace, *knobs(sources))
    opening.start(workspace, [f"model.base={sources / 'base'}"])(collect)
    refused = rounds("import", sources / "base", "-w", workspace.root)
    assert refused.code == 2
    assert "`--reopen`" in refused.err
    assert rounds_state.inputs(workspace).base.imported is None
    done = rounds("import", sources / "base", "--name", "whole", "--reopen", "-w", workspace.root)
    assert done.code == 0, done.err
    settle(workspace, "model.base=whole", ADAPTER)
    refused = rounds("import", sources / "lora", "-w", workspace.root)
    typed = words(refused.err, "rounds import", FOLDER=str(sources / "base"), NEW=str(tmp_path / "new"))
    assert rounds(*words(refused.err, "rounds init", NEW=str(tmp_path / "new"))[1:]).code == 0
    settle(Workspace(tmp_path / "new"), *knobs(sources))
    assert rounds(*typed[1:]).code == 0


def test_a_whole_model_is_the_base_and_version_1(
    workspace: Workspace, sources: Path, rounds: Rounds, tmp_path: Path
) -> None:
    settle(workspace, *knobs(sources))
    done = rounds("import", sources / "base", "--name", "whole", "-S", "model.adapter={rank: 3}", "-w", workspace.root)
    assert done.code == 0, done.err
    [line] = [line for line in done.out.splitlines() if line.startswith("Next: rounds round")]
    assert 'model.base="whole"' in line
    [version] = Registry(workspace.root).versions("policy")
    [record] = bases.every(workspace)
    assert (version.tags[DIGEST_TAG], version.tags[TAG], record.names) == (record.digest, record.digest, ("whole",))
    assert json.loads(version.tags["adapter"])["rank"] == 3
    assert not workspace.imported("").exists()
    planned = plan.plan(workspace, ["model.base=whole", "model.adapter={rank: 3}"])
    assert planned.would == "open"


@cures(
    "tasks.rounds.importing._lora: rounds base fetch SOURCE",
    "tasks.rounds.importing._check_base: --same-base",
    "tasks.rounds.importing._check_settings: -S 'model.adapter=…'",
)
def test_a_lora_needs_its_base_and_its_settings(
    workspace: Workspace, sources: Path, rounds: Rounds, tmp_path: Path
) -> None:
    settle(workspace, *knobs(sources))
    where = ("-w", workspace.root)
    refused = rounds("import", sources / "lora", *where)
    assert rounds(*words(refused.err, "rounds base fetch", SOURCE=str(sources / "base"))[1:]).code == 0
    settle(workspace, "model.base=base")
    lora = Path(shutil.copytree(sources / "lora", tmp_path / "lora"))
    config = lora / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": "other/model"}))
    refused = rounds("import", lora, *where)
    assert (refused.code, "other/model" in refused.err, "`--same-base`" in refused.err) == (2, True, True)
    refused = rounds("import", lora, "--same-base", *where)
    assert (refused.code, ADAPTER in " ".join(refused.err.split())) == (2, True)
    settle(workspace, ADAPTER)
    assert not workspace.round.exists()
    done = rounds("import", lora, "--same-base", *where)
    assert (done.code, "dropout 0.1" in done.out) == (0, True), done.err
    assert rounds("init", tmp_path / "other").code == 0
    whole = rounds("import", sources / "base", "-S", "model.base=base", "-w", tmp_path / "other")
    assert (whole.code, "model.base" in whole.err) == (2, True)
    nothing = rounds("import", tmp_path, "-w", tmp_path / "third")
    assert (nothing.code, (tmp_path / "third").exists()) == (2, False)
