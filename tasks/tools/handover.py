"""The handover: a folder or bucket of any fsspec URL, in which machines without a shared folder leave files.

Files are stored by their SHA-256 and compared with it when they are fetched; small JSON files have names.
"""

import json
import posixpath
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from pydantic import Field

from core import filesystems
from core.errors import BadParams, Damaged, RoundsError
from core.files import digest
from core.stored import Value
from core.urls import without_secrets

IN_ONE_PROCESS = ("memory", "data", "reference")
"""Schemes that no other process could read."""


class NoHandover(RoundsError):
    """The handover cannot be reached, read or written."""


class HandedFile(Value):
    """The content of a file."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Handover:
    """A folder of a handover."""

    def __init__(self, url: str, folder: str = "") -> None:
        """Nothing is read or written yet.

        Args:
            url: an fsspec URL, such as `s3://bucket/folder` or `file:///mnt/handover`.
            folder: a folder below it.

        Raises:
            BadParams: no other process could read what is written there, or fsspec does not know its scheme.
            NotInstalled: its driver is missing.
            NoHandover: the server that keeps it does not answer.
        """
        scheme = url.partition("://")[0] if "://" in url else "file"
        if scheme in IN_ONE_PROCESS:
            raise BadParams(
                f"versioning.handover={url}: other processes cannot read {scheme}://; name a folder or bucket that all "
                "workers reach, such as s3://BUCKET/FOLDER or file:///MOUNTED/FOLDER"
            )
        from fsspec.implementations.local import LocalFileSystem

        self.url = without_secrets(url)
        """The address, for messages."""
        with self._answering("reached"):
            try:
                self._files, self._root = filesystems.opened(url)
            except ValueError as error:
                raise BadParams(f"versioning.handover={self.url}: {error}; name a URL of fsspec") from error
        self._local = isinstance(self._files, LocalFileSystem)
        self._root = self._path(folder) if folder else self._root

    def put(self, file: Path, area: str) -> HandedFile:
        """Store the content of a file, unless it is there.

        Args:
            file: a local file, which nobody writes meanwhile.
            area: a folder of files that are dropped together.

        Raises:
            NoHandover: it cannot be written.
        """
        content = HandedFile(sha256=digest(file), bytes=file.stat().st_size)
        target = self._path(f"{area}/{content.sha256}")
        with self._answering("written"):
            if self._size(target) != content.bytes:
                self._upload(file, target)
        return content

    def get(self, content: HandedFile, area: str, target: Path) -> None:
        """Fetch a file. One that has another content than it should have is removed from the handover.

        Raises:
            Damaged: it is missing, or has another content.
            NoHandover: it cannot be read.
        """
        source = self._path(f"{area}/{content.sha256}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._answering("read"):
            size = self._size(source)
            if size is None:
                raise Damaged(
                    f"{self.url}: the file {content.sha256} is missing; run the step again, which stores it again"
                )
            if size != content.bytes:  # before it is fetched: it might fill the disk
                self._refuse(source, content, f"it had {size:,} bytes, not {content.bytes:,}")
            self._files.get_file(source, str(target))
            if (found := digest(target)) != content.sha256:
                target.unlink()
                self._refuse(source, content, f"its SHA-256 was {found}")

    def _refuse(self, source: str, content: HandedFile, reason: str) -> NoReturn:
        self._files.rm_file(source)
        raise Damaged(
            f"{self.url}: the file {content.sha256} was damaged ({reason}) and is removed; run the step again, which "
            "stores it again"
        )

    def write(self, name: str, value: Any) -> None:
        """Store a JSON value under a name, atomically."""
        self.write_text(name, json.dumps(value, allow_nan=False))

    def write_text(self, name: str, text: str) -> None:
        """Store a text under a name, atomically.

        Raises:
            NoHandover: it cannot be written.
        """
        target = self._path(name)
        with self._answering("written"):
            if not self._local:
                self._files.pipe_file(target, text.encode())
                return
            draft = self._draft(target)
            self._files.pipe_file(draft, text.encode())
            self._files.mv(draft, target)

    def read(self, name: str) -> Any:
        """The JSON value with a name; None if there is none.

        Raises:
            Damaged: it is no JSON.
            NoHandover: it cannot be read.
        """
        text = self.read_text(name)
        try:
            return None if text is None else json.loads(text)
        except ValueError as error:
            raise Damaged(
                f"{self.url}: {name} is no JSON ({error}); run the step again, which stores it again"
            ) from error

    def read_text(self, name: str) -> str | None:
        """The text with a name; None if there is none.

        Raises:
            Damaged: it is no text.
            NoHandover: it cannot be read.
        """
        with self._answering("read"):
            try:
                return bytes(self._files.cat_file(self._path(name))).decode()
            except FileNotFoundError:
                return None
            except UnicodeDecodeError as error:
                raise Damaged(
                    f"{self.url}: {name} is no text ({error}); run the step again, which stores it again"
                ) from error

    def drop(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, if it is there.

        Raises:
            NoHandover: it cannot be removed.
        """
        with self._answering("written"), suppress(FileNotFoundError):
            self._files.rm(self._path(name), recursive=True)

    def folders(self) -> list[str]:
        """The names of what is directly in this folder."""
        with self._answering("read"):
            try:
                return sorted(posixpath.basename(path.rstrip("/")) for path in self._files.ls(self._root, detail=False))
            except FileNotFoundError:
                return []

    def check(self) -> None:
        """Write, read and remove a small file.

        Raises:
            NoHandover: that does not work.
        """
        name = f".check-{uuid.uuid4().hex}"
        self.write_text(name, name)
        if self.read_text(name) != name:
            raise NoHandover(f"{self.url}: what was written there cannot be read again; name another folder")
        self.drop(name)

    def _path(self, name: str) -> str:
        """The place of a name. Names come from files there, which somebody else may have written.

        Raises:
            Damaged: it would be outside.
        """
        if not all(part not in ("", ".", "..") for part in name.split("/")) or "\\" in name or "\0" in name:
            raise Damaged(
                f"{self.url}: {name!r} is no name below it; remove the file that has it, and run the step again"
            )
        return posixpath.join(self._root, name)

    def _size(self, path: str) -> int | None:
        try:
            return int(self._files.size(path))
        except FileNotFoundError:
            return None

    def _upload(self, file: Path, target: str) -> None:
        if not self._local:
            self._files.put_file(str(file), target)  # object stores show a file when it is whole
            return
        draft = self._draft(target)
        self._files.put_file(str(file), draft)
        self._files.mv(draft, target)

    def _draft(self, target: str) -> str:
        self._files.makedirs(posixpath.dirname(target), exist_ok=True)
        return f"{target}.{uuid.uuid4().hex}.draft"

    @contextmanager
    def _answering(self, what: str) -> Iterator[None]:
        try:
            yield
        except RoundsError:
            raise
        except Exception as error:  # each file system raises its own errors
            raise NoHandover(
                f"the handover {self.url} cannot be {what} ({type(error).__name__}: {error}); correct "
                "versioning.handover, or the credentials that its file system reads from the environment"
            ) from error
