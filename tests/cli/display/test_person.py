import getpass
import os

import pytest

from cli.display import person


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under any number: a rollback must not fail for want of a name."""

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 4242")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert person.name() == f"user {os.getuid()}"
