"""Importing: a model or a LoRA of one's own becomes version 1 of the policy, in place of the SFT model of round 0."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from core.errors import BadModel, BadParams, BadWorkspace
from models import adapters, peft_files, peft_reading, rendering
from models import tokenizer as tokenizers
from models.adapters import AdapterSettings
from models.peft_reading import PeftLora
from tasks import steps
from tasks.registry import absent
from tasks.registry.alias import Registry
from tasks.rounds import base, closing, continuity, fetching, opening
from tasks.rounds.running import RunningRound
from tasks.state import bases, imports, records
from tasks.state import round as rounds
from tasks.state.bases import BaseRecord
from tasks.state.lock import holding
from tasks.state.records import RoundRecord
from tasks.state.steps import BOOTSTRAP
from tasks.state.workspace import Workspace
from tasks.tools import tracking

CONFIG = "config.json"
WEIGHTS = ".safetensors"


class ImportedModel(NamedTuple):
    """What was imported."""

    record: RoundRecord
    """Of round 0."""
    base: str
    """The base of the next rounds, as `model.base` may name it."""
    overrides: tuple[str, ...]
    """What the next rounds have to set, besides params.yaml."""
    dropout: float
    """With which a LoRA was trained. Rounds train without."""


class _Prepared(NamedTuple):
    """A model that is stored in the workspace and can become version 1."""

    digest: str
    base: BaseRecord
    overrides: tuple[str, ...]
    dropout: float


def check_folder(folder: Path) -> None:
    """Check that a folder may hold a model.

    Raises:
        BadModel: it holds neither a model of transformers nor an adapter of peft.
    """
    if not (peft_reading.is_peft(folder) or (folder / CONFIG).is_file()):
        raise BadModel(
            f"{folder} has neither {CONFIG} nor {peft_files.CONFIG}; name a folder that `save_pretrained` of "
            "transformers or peft wrote"
        )


def import_model(
    workspace: Workspace,
    folder: Path,
    overrides: Sequence[str] = (),
    name: str | None = None,
    same_base: bool = False,
    reopen: bool = False,
) -> ImportedModel:
    """Make a model version 1 of the policy, and champion. A killed import is continued by the next one.

    A whole model becomes a base of the workspace. Version 1 is this model; with `model.adapter`, an adapter of it that
    changes nothing yet. A LoRA must belong to `model.base` and have the settings of `model.adapter`. Round 0 takes
    feedback in as always, and trains nothing.

    Args:
        workspace: the workspace; no round may have finished in it.
        folder: a model of transformers, or a LoRA in peft's format.
        overrides: knobs of round 0.
        name: what `model.base` calls a whole model; by default the name of the folder.
        same_base: whether `model.base` is what a LoRA was trained on although peft's configuration calls it otherwise.
        reopen: whether to discard an unfinished round 0.

    Raises:
        BadModel: the model cannot be used; see `fetching.fetch` and `peft_reading.read`.
        BadParams: the base is another one, or `model.adapter` has other settings.
        BadWorkspace: there is a champion, or another round is unfinished.
        RoundBusy: a round is running.
        RoundsError: round 0 failed.
    """
    check_folder(folder)
    with holding(workspace.lock, "the import of a model"):
        if not (records.unfinished(workspace) or _imported(workspace)):
            _refuse_later(workspace)  # before anything is stored
        if peft_reading.is_peft(folder):
            prepared = _lora(workspace, folder, overrides, same_base)
        else:
            prepared = _whole(workspace, folder, overrides, name)
        record = _finished(workspace, prepared) or _run(workspace, prepared, reopen)
    return ImportedModel(record, prepared.base.label, prepared.overrides, prepared.dropout)


def _whole(workspace: Workspace, folder: Path, overrides: Sequence[str], name: str | None) -> _Prepared:
    if any(text.strip().startswith("model.base=") for text in overrides):
        raise BadParams(f"{folder} has a whole model, which becomes model.base; leave out the override of model.base")
    record = fetching.fetch(workspace, str(folder), name)
    return _Prepared(record.digest, record, (*overrides, f"model.base={json.dumps(record.label)}"), 0.0)


def _lora(workspace: Workspace, folder: Path, overrides: Sequence[str], same_base: bool) -> _Prepared:
    model = opening.effective(workspace, overrides).model
    if model.base == bases.SCRATCH:
        raise BadParams(
            f"{folder} has a LoRA, and model.base is scratch; fetch the model that the LoRA was trained on with "
            "`rounds base fetch SOURCE`, and set model.base to its name"
        )
    digest = base.settled(workspace, model.base).digest
    record, home = BaseRecord.load(workspace.base_record(digest)), bases.folder(workspace, digest)
    lora = peft_reading.read(folder, home, digest)
    if not same_base:
        _check_base(folder, lora.named, record)
    _check_settings(folder, lora, home, model.adapter)
    with TemporaryDirectory(prefix=".import-", dir=workspace.data) as temporary:
        draft = Path(temporary) / "model"
        draft.mkdir()
        adapters.write(draft, lora.facts, lora.tensors, peft_reading.template(folder, home))
        rendering.check(adapters.tokenizer(tokenizers.load(home), draft), str(folder))
        return _Prepared(imports.store(workspace, draft), record, tuple(overrides), lora.dropout)


def _check_base(folder: Path, named: str, record: BaseRecord) -> None:
    """Check that peft's configuration calls the base of a LoRA as the record does. Revisions are not compared."""
    known = {name.partition("@")[0] for name in (*record.names, record.source)}
    if named and (named.partition("@")[0] in known or record.digest.startswith(named) or _holds(Path(named), record)):
        return
    raise BadParams(
        f"{folder} was trained on {named or 'a base without a name'}, and model.base is {record.label}, fetched from "
        f"{record.source}; set model.base to the model that the LoRA was trained on, or add `--same-base` if it is the "
        "same model under another name"
    )


def _holds(folder: Path, record: BaseRecord) -> bool:
    """Whether a folder of this machine has the weights of a base; its other files may have been saved anew."""
    if not folder.is_dir():
        return False
    weights = {name: file.sha256 for name, file in record.files.items() if name.endswith(WEIGHTS)}
    try:
        measured = bases.measured(folder)
    except BadModel:
        return False
    return weights == {name: file.sha256 for name, file in measured.items() if name.endswith(WEIGHTS)}


def _check_settings(folder: Path, lora: PeftLora, base: Path, knobs: AdapterSettings | None) -> None:
    facts = lora.facts
    own = (knobs.rank, knobs.alpha, adapters.targets_in(base, knobs)) if knobs else None
    if own == (facts.rank, facts.alpha, facts.targets):
        return
    needed = continuity.written({"rank": facts.rank, "alpha": facts.alpha, "targets": facts.targets})
    set_now = continuity.written(knobs.model_dump() if knobs else None)
    raise BadParams(
        f"model.adapter is {set_now}, and {folder} has other settings; set those of the LoRA with "
        f"-S 'model.adapter={needed}'"
    )


def _finished(workspace: Workspace, prepared: _Prepared) -> RoundRecord | None:
    """The record of round 0 if the same model was imported before, and no other round was opened since."""
    same = _imported(workspace) == prepared.digest and not records.unfinished(workspace)
    return records.last(workspace) if same else None


def _imported(workspace: Workspace) -> str | None:
    """The digest of what round 0 imported; None if it did not, or another round finished since."""
    last = records.last(workspace)
    return last.inputs.base.imported if last and last.number == 0 else None


def _run(workspace: Workspace, prepared: _Prepared, reopen: bool) -> RoundRecord:
    running = _running(workspace, prepared, reopen)
    for name in BOOTSTRAP:
        running(steps.find(name))
    return closing.bootstrap(running)


def _running(workspace: Workspace, prepared: _Prepared, reopen: bool) -> RunningRound:
    """Round 0, opened anew or continued."""
    is_open = records.unfinished(workspace) and not records.numbers(workspace)
    if is_open and not reopen:
        if rounds.inputs(workspace).base.imported == prepared.digest:
            return opening.start(workspace, prepared.overrides)
        raise BadWorkspace(
            f"round 0 is open in {workspace.root} and does not import this model; discard it and import the model "
            "with `--reopen`, or finish it first"
        )
    _refuse_later(workspace)
    if is_open:
        opening.drop(workspace)
    return opening.start(workspace, prepared.overrides, imported=prepared.digest)


def _refuse_later(workspace: Workspace) -> None:
    with tracking.answering(workspace.root):
        registry = Registry(workspace.root)
        if absent.first_round_is_due(registry):
            return
        champion = registry.champion()
    what = f"policy version {champion.version} as champion" if champion else "registered versions"
    raise BadWorkspace(
        f"{workspace.root} has {what}, and only the first version can be imported; make a new workspace with "
        "`rounds init NEW`, and import the model there with `rounds import FOLDER -w NEW`"
    )
