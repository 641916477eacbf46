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
from typing import IO, NamedTuple, cast

import pyarrow as pa

from core.errors import BadFeedback


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


@contextmanager
def decompressed(path: Path, head: int) -> Iterator[OpenFile]:
    """Open a file and decompress it while it is read; `head` is the number of first bytes to look at.

    Raises:
        BadFeedback: the file does not exist, cannot be read, or is damaged; also while its stream is read.
    """
    try:
        compression = _compression(path)
        with _stream(path, compression) as stream:
            first = stream.read(head)
        with _stream(path, compression) as stream:
            yield OpenFile(compression, first, stream)
    except FileNotFoundError as error:
        raise BadFeedback(f"{path}: there is no such file; name one that exists") from error
    except (PermissionError, IsADirectoryError) as error:
        raise BadFeedback(f"{path}: cannot be read ({error.strerror}); name a file that can be read") from error
    except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise BadFeedback(f"{path}: the file is damaged ({error}); download it again") from error


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
