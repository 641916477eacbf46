import errno
import os
import shutil

import pytest

from core.outages import explained


@pytest.mark.parametrize(
    ("number", "cure"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "read-only"), (errno.EACCES, "let this user write")],
)
def test_an_error_of_the_disk_names_the_file_and_the_cure(number: int, cure: str) -> None:
    found = explained(OSError(number, os.strerror(number), "/srv/data/round.yaml"))
    assert found is not None
    assert str(found).startswith(f"/srv/data/round.yaml cannot be written ({os.strerror(number)}); ")
    assert cure in str(found)


def test_an_error_behind_another_is_found() -> None:
    error = ValueError("no model")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device", "x")
    assert explained(error) is not None
    copied = shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")])
    assert "free some space" in str(explained(copied))


@pytest.mark.parametrize("error", [ValueError("no model"), FileNotFoundError(errno.ENOENT, "No such file", "x")])
def test_other_errors_are_bugs(error: Exception) -> None:
    assert explained(error) is None
