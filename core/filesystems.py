"""File systems of fsspec, which reads and writes folders and object stores by URL: `s3://bucket/folder`."""

from typing import TYPE_CHECKING

from core.errors import NotInstalled
from core.urls import without_secrets

if TYPE_CHECKING:  # importing fsspec takes a tenth of a second
    from fsspec import AbstractFileSystem as AbstractFileSystem

DRIVERS = {"s3": "requirements-s3.txt", "s3a": "requirements-s3.txt"}
"""Scheme of a URL → the lock of the extra that installs its driver."""


def opened(url: str) -> "tuple[AbstractFileSystem, str]":
    """The file system of a URL, and the path in it. Nothing is read or written.

    Credentials and endpoints come from the environment variables that the driver reads, such as AWS_ENDPOINT_URL.

    Raises:
        NotInstalled: its driver is missing.
        ValueError: fsspec does not know its scheme.
    """
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        lock = DRIVERS.get(url.partition("://")[0])
        cure = f"install it with `pip install -r {lock}`" if lock else "install it with pip"
        raise NotInstalled(f"{without_secrets(url)} needs a driver that is not installed ({error}); {cure}") from error
    return files, str(path)
