"""Base models of a workspace: each is stored once, by its content, in `data/bases/<digest>`.

A base is the files that transformers loads: configuration, generation configuration, tokenizer and weights in
safetensors. Its digest is the SHA-256 of the sorted lines `NAME SHA-256`, one a file, so it does not depend on where
the files lie, on their order or on their times. It does depend on how the weights are divided into shards. It is
computed when a base is stored; after that the files are read-only. The files are copied, with shared blocks where the
file system can (reflinks). They are never hard links to the source: `save_pretrained` writes into existing files.
"""

import fcntl
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from core.errors import BadModel, BadParams, Damaged
from core.files import digest as sha256
from core.files import recover_all, replacing
from core.private import mask
from core.stored import Stored, Value
from tasks.state.lock import holding
from tasks.state.workspace import Workspace

SCRATCH = "scratch"
"""The name, and the digest, of a new model: it has no files."""

SHORTEST = 8
"""Hexadecimal digits of a digest that are enough to name a base."""

FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "source.spm",
    "target.spm",
    "tekken.json",
)
"""The files of a base besides its weights; those that a model lacks are left out."""

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"

_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file
_HEX = re.compile(f"[0-9a-f]{{{SHORTEST},64}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?(@[A-Za-z0-9._/-]+)?")


class BaseFile(Value):
    """A file of a base."""

    sha256: str
    bytes: int


class Merged(Value):
    """The registered version that a base was made from."""

    version: str
    """Of the policy."""
    digest: str
    """SHA-256 of its folder."""


class BaseRecord(Stored):
    """A stored base. The record lies beside its folder, not in it."""

    digest: str
    names: tuple[str, ...] = ()
    """What `model.base` may call it, besides its digest. A name belongs to one base only."""
    source: str
    """Where it came from: a folder, a file, a model id of the hub, a package, or a registered version."""
    stored: str
    """UTC time, ISO 8601."""
    files: dict[str, BaseFile]
    """By name."""
    merged: Merged | None = None
    """The version that computes the same, if `rounds rebase` made this base."""

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.bytes for file in self.files.values())

    @property
    def label(self) -> str:
        """Its name, or the beginning of its digest."""
        return self.names[0] if self.names else self.digest[:12]


def names(folder: Path) -> list[str]:
    """The files of the base model in a folder, sorted: configuration, tokenizer, and the weights that are loaded.

    Raises:
        BadModel: there are no weights in safetensors that transformers would load, or the index of shards is damaged.
    """
    return sorted([*(name for name in FILES if (folder / name).is_file()), *_weights(folder)])


def measured(folder: Path) -> dict[str, BaseFile]:
    """The files of the base model in a folder, each with its SHA-256. Reads all of them.

    Raises:
        BadModel: see `names`.
    """
    return {
        name: BaseFile(sha256=sha256(folder / name), bytes=(folder / name).stat().st_size) for name in names(folder)
    }


def digest(files: Mapping[str, BaseFile]) -> str:
    """The digest of a base with these files."""
    lines = "".join(f"{name} {file.sha256}\n" for name, file in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def every(workspace: Workspace) -> list[BaseRecord]:
    """All stored bases, the newest first.

    Raises:
        Damaged: a record is incomplete or invalid.
    """
    records = [BaseRecord.load(file) for file in workspace.bases.glob("[0-9a-f]*.json")]
    present = [record for record in records if workspace.base(record.digest).is_dir()]
    return sorted(present, key=lambda record: (record.stored, record.digest), reverse=True)


def find(workspace: Workspace, text: str) -> BaseRecord | None:
    """The stored base with this name, digest, or beginning of a digest of at least 8 digits; None if there is none.

    Raises:
        BadModel: several digests begin like that.
    """
    stored = every(workspace)
    named = [record for record in stored if text in record.names]
    matches = named or [record for record in stored if is_digest(text) and record.digest.startswith(text)]
    if len(matches) > 1:
        digests = ", ".join(sorted(record.digest for record in matches))
        raise BadModel(f"model.base={text} is the beginning of {len(matches)} digests: {digests}; write more digits")
    return matches[0] if matches else None


def folder(workspace: Workspace, digest: str) -> Path:
    """The folder of a stored base. Its files are compared by size with the record, not read.

    Raises:
        BadModel: it is not stored in this workspace.
        Damaged: a file is missing or has another size.
    """
    home, record = workspace.base(digest), workspace.base_record(digest)
    if not home.is_dir() or not record.exists():
        raise BadModel(
            f"the base model {digest} is not in {workspace.bases}; fetch it again with `rounds base fetch SOURCE`, or "
            "restore the folder from a backup"
        )
    if lost := fault(workspace, BaseRecord.load(record)):
        raise Damaged(
            f"{home / lost} is missing or has another size than when it was fetched; fetch the base model again with "
            "`rounds base fetch SOURCE`"
        )
    return home


def fault(workspace: Workspace, record: BaseRecord) -> str | None:
    """The first file of a base that is missing or has another size than its record; None if all are there."""
    home = workspace.base(record.digest)
    sizes = {file.name: file.stat().st_size for file in home.iterdir()} if home.is_dir() else {}
    return next((name for name, file in record.files.items() if sizes.get(name) != file.bytes), None)


def is_digest(text: str) -> bool:
    """Whether a text can only be a digest, or the beginning of one."""
    return _HEX.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether a base may have this name."""
    return text != SCRATCH and not is_digest(text) and _NAME.fullmatch(text) is not None


def check_name(name: str) -> None:
    """Check that a base may have this name.

    Raises:
        BadParams: it may not.
    """
    if not is_name(name):
        raise BadParams(
            f"a base model cannot be called {name!r}: use letters, digits, dots, hyphens and underscores, and neither "
            f"`{SCRATCH}` nor {SHORTEST} or more hexadecimal digits alone; choose another --name"
        )


@contextmanager
def drafting(workspace: Workspace) -> Iterator[Path]:
    """A new folder in data/bases to make a base in, while no other process stores one there.

    It is removed afterwards. What a killed process left is removed first.

    Raises:
        RoundBusy: another process stores a base.
    """
    with holding(workspace.bases_lock, "the fetch of a base model", wait=60):
        recover_all(workspace.bases)
        draft = Path(tempfile.mkdtemp(prefix=".base.", suffix=".draft", dir=workspace.bases))
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def store(
    workspace: Workspace, source: Path, draft: Path, origin: str, name: str | None = None, merged: Merged | None = None
) -> BaseRecord:
    """Store the base model in `source`, within `drafting`. A base that is stored already only gets the name.

    Its folder appears at once, when all files are complete and on disk.

    Args:
        workspace: the workspace.
        source: a folder with a base model.
        draft: the folder from `drafting`.
        origin: where the base came from, for the record.
        name: a name for `model.base`; taken from another base that has it.
        merged: the version that it was made from.

    Raises:
        BadModel: see `names`.
        BadParams: the name cannot be used.
    """
    if name is not None:
        check_name(name)
    copies = _copied(source, Path(tempfile.mkdtemp(dir=draft)), 0o444 & ~mask(workspace.root))
    files = measured(copies)
    record = _record(workspace, digest(files), origin, files, name, merged)
    _rename(workspace, record)
    record.save(workspace.base_record(record.digest))
    if fault(workspace, record):
        with replacing(workspace.base(record.digest)) as target:
            copies.rename(target)
    return record


def remove(workspace: Workspace, digest: str) -> None:
    """Remove a stored base; the record first, so that a killed removal leaves nothing that could be loaded."""
    with holding(workspace.bases_lock, "the removal of a base model", wait=60):
        workspace.base_record(digest).unlink(missing_ok=True)
        shutil.rmtree(workspace.base(digest), ignore_errors=True)


def _weights(folder: Path) -> list[str]:
    """The files of weights, in the order in which transformers looks for them: one file, or an index and its shards."""
    if (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    if not (folder / INDEX).is_file():
        raise BadModel(
            f"{folder} has neither {WEIGHTS} nor {INDEX} (pickles are never loaded); save the model there with "
            "model.save_pretrained"
        )
    try:
        shards = set(json.loads((folder / INDEX).read_bytes())["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadModel(f"{folder / INDEX} is damaged; save the model again with model.save_pretrained") from error
    if lost := sorted(str(shard) for shard in shards if not _is_file_of(folder, shard)):
        raise BadModel(f"{folder / INDEX} names files that are not in the folder: {lost[0][:100]}; copy them there")
    return [INDEX, *shards]


def _is_file_of(folder: Path, name: object) -> bool:
    return isinstance(name, str) and Path(name).name == name and (folder / name).is_file()


def _copied(source: Path, copies: Path, rights: int) -> Path:
    """Copy the files of a base to an empty folder, where they are read-only."""
    for name in names(source):
        _copy(source / name, copies / name)
        (copies / name).chmod(rights)
    return copies


def _copy(source: Path, target: Path) -> None:
    """Copy the content of a file; its blocks are shared where the file system can."""
    with source.open("rb") as reading, target.open("xb") as writing:
        with suppress(OSError):
            fcntl.ioctl(writing.fileno(), _FICLONE, reading.fileno())
            return
        shutil.copyfileobj(reading, writing, 1 << 20)


def _record(
    workspace: Workspace,
    digest: str,
    origin: str,
    files: dict[str, BaseFile],
    name: str | None,
    merged: Merged | None,
) -> BaseRecord:
    """The record of a base: what was known of it before, with the new name in front."""
    path = workspace.base_record(digest)
    before = BaseRecord.load(path) if path.exists() else None
    names = dict.fromkeys([*([name] if name else []), *(before.names if before else ())])
    merged = merged or (before.merged if before else None)
    return BaseRecord(digest=digest, names=tuple(names), source=origin, stored=_now(), files=files, merged=merged)


def _rename(workspace: Workspace, new: BaseRecord) -> None:
    """Take the names of a new base from all others."""
    for record in every(workspace):
        if record.digest != new.digest and set(record.names) & set(new.names):
            names = tuple(name for name in record.names if name not in new.names)
            record.model_copy(update={"names": names}).save(workspace.base_record(record.digest))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
