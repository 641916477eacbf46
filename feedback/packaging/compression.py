"""Compressed files, recognised by their first bytes and decompressed while they are read."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import pyarrow as pa

from core.errors import BadFeedback
from feedback.limits import ContentLimit, SizeLimitSettings, too_large

_BLOCK = 1 << 16


class Compression(Enum):
    """How a file is compressed: its first bytes, and the ending of its name."""

    NONE = (b"", "")
    GZIP = (b"\x1f\x8b", ".gz")
    BZIP2 = (b"BZh", ".bz2")
    XZ = (b"\xfd7zXZ\0", ".xz")
    ZSTD = (b"\x28\xb5\x2f\xfd", ".zst")
    LZ4 = (b"\x04\x22\x4d\x18", ".lz4")

    @property
    def magic(self) -> bytes:
        """The first bytes of such a file."""
        return self.value[0]

    @property
    def ending(self) -> str:
        """The ending of its name; empty for a plain file."""
        return self.value[1]


class OpenFile(NamedTuple):
    """A file that is being read."""

    compression: Compression
    head: bytes
    """The first bytes of its content."""
    stream: IO[bytes]
    """Its content from the beginning."""
    limit: ContentLimit
    """How large its content may be."""


@contextmanager
def decompressed(path: Path, head: int, limits: SizeLimitSettings) -> Iterator[OpenFile]:
    """Open a file and decompress it while it is read.

    Args:
        path: the file.
        head: the number of first bytes to look at.
        limits: how many bytes it may have, as it is and decompressed.

    Raises:
        BadFeedback: the file does not exist, cannot be read, is too large or damaged; also while its stream is read.
    """
    try:
        if (size := path.stat().st_size) > (most := limits.file_bytes):
            raise BadFeedback(too_large(str(path), size, most, "file_bytes", "split it into several files"))
        limit = limits.content(size)
        compression = _compression(path)
        with _stream(path, compression) as stream:
            first = stream.read(head)
        with _stream(path, compression) as stream:
            content = _limited(stream, path, limit) if compression.ending else stream
            yield OpenFile(compression, first, content, limit)
    except FileNotFoundError as error:
        raise BadFeedback(f"{path}: there is no such file; name one that exists") from error
    except (PermissionError, IsADirectoryError) as error:
        raise BadFeedback(f"{path}: cannot be read ({error.strerror}); name a file that can be read") from error
    except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise BadFeedback(f"{path}: the file is damaged ({error}); download it again") from error


class _Limited(io.RawIOBase):
    """A stream that fails after so many bytes: a small file may decompress to more than a disk holds."""

    def __init__(self, stream: IO[bytes], path: Path, limit: ContentLimit) -> None:
        self._stream, self._path, self._limit = stream, path, limit
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        buffer[: len(block)] = block
        self._count += len(block)
        self._limit.check(self._count, self._path, "it decompresses to")
        return len(block)


def _limited(stream: IO[bytes], path: Path, limit: ContentLimit) -> IO[bytes]:
    return io.BufferedReader(_Limited(stream, path, limit), _BLOCK)


def _compression(path: Path) -> Compression:
    with path.open("rb") as stream:
        first = stream.read(8)
    return next((one for one in Compression if one.magic and first.startswith(one.magic)), Compression.NONE)


def _stream(path: Path, compression: Compression) -> IO[bytes]:
    match compression:
        case Compression.GZIP:
            return cast(IO[bytes], gzip.open(path))
        case Compression.BZIP2:
            return cast(IO[bytes], bz2.open(path))
        case Compression.XZ:
            return cast(IO[bytes], lzma.open(path))
        case Compression.ZSTD | Compression.LZ4:
            codec = "zstd" if compression is Compression.ZSTD else "lz4"
            return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), codec))
        case _:
            return path.open("rb")
