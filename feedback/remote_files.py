"""Files of feedback in object stores, by any URL of fsspec: `s3://bucket/folder`.

They are copied to a temporary folder of this process, and read there like other files; it is gone when the process
ends. A file is copied again when it has changed.
"""

import posixpath
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path, PurePosixPath

from core import filesystems
from core.errors import BadFeedback, RoundsError

_ON_THE_HUB = "hf:"


def is_address(path: Path) -> bool:
    """Whether a path is a URL of fsspec, and not of the Hugging Face Hub. A Path has one slash where a URL has two."""
    scheme = path.parts[0] if path.parts else ""
    return len(scheme) > 2 and scheme.endswith(":") and scheme != _ON_THE_HUB


def local(path: Path) -> Path:
    """A copy of a file or folder; a path that is no URL is returned as it is.

    Raises:
        BadFeedback: there is no such file or folder, or its store cannot be read.
        NotInstalled: its driver is missing.
    """
    if not is_address(path):
        return path
    url = str(path).replace(":/", "://", 1)
    try:
        files, root = filesystems.opened(url)
        found = files.find(root, detail=True)
        if not found:
            raise BadFeedback(f"{url}: there is no such file or folder; set `path` of the source to one that exists")
        version = sha256(repr(sorted((name, sorted(map(repr, info.items()))) for name, info in found.items())).encode())
        target = _copies() / version.hexdigest()[:32] / PurePosixPath(root).name
        for name in found:
            part = posixpath.relpath(name, root)
            copy = target if part == "." else target / part
            if not copy.exists():
                _copy(files, name, copy)
    except RoundsError:
        raise
    except Exception as error:  # each file system raises its own errors
        raise BadFeedback(
            f"{url} cannot be read ({type(error).__name__}: {error}); correct `path` of the source, or the credentials "
            "that its file system reads from the environment"
        ) from error
    return target


def _copy(files: "filesystems.AbstractFileSystem", name: str, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    draft = copy.with_name(f".{copy.name}.draft")
    files.get_file(name, str(draft))
    draft.rename(copy)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="rounds-feedback-")


def _copies() -> Path:
    return Path(_folder().name)
