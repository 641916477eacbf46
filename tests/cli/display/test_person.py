import getpass
import os

import pytest

from cli.display import person


def test_a_user_without_a_name_has_their_user_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with an arbitrary user id: a rollback must not fail because there is no name."""

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 4242")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert person.name() == f"user {os.getuid()}"
