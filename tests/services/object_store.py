"""An S3-compatible server (moto) that keeps everything in memory, and what is in its buckets."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.services.programs import BIN, eventually, free_port, running, surroundings


class ObjectStore(NamedTuple):
    """What a test needs of it."""

    env: dict[str, str]
    """The variables that every S3 client reads."""
    files: Any
    """Its files, as fsspec sees them."""

    def names(self, pattern: str) -> list[str]:
        """Objects with names like this: `bucket/folder/*`."""
        return sorted(self.files.glob(pattern))


@contextmanager
def object_store(buckets: Sequence[str], logs: Path) -> Iterator[ObjectStore]:
    """A server with these buckets, while the block runs."""
    import s3fs  # the extra `s3`: `make s3-server` installs it with the server

    address = f"http://127.0.0.1:{(port := free_port())}"
    keys = {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1"}
    with running("s3", [str(BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)], surroundings(**keys), logs):
        eventually(lambda: _answers(address), "the S3 server", logs)
        files = s3fs.S3FileSystem(
            key="anybody", secret="nothing", endpoint_url=address, use_listings_cache=False, skip_instance_cache=True
        )
        for bucket in buckets:
            files.mkdir(bucket)
        yield ObjectStore({**keys, "AWS_ENDPOINT_URL": address}, files)


def _answers(address: str) -> bool | None:
    try:
        return httpx.get(address, timeout=2).is_success or None
    except httpx.HTTPError:
        return None
