"""A Prefect server that takes events from a thread."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import pytest

from tasks.state import feedback_database
from tasks.tools import events, prefect_api

Note = TypeVar("Note")


class PrefectServer(Generic[Note]):
    """It may be away, or not answer before it is released."""

    def __init__(self, note: Callable[[str, Mapping[str, Any]], Note]) -> None:
        """Nothing was sent yet.

        Args:
            note: what is kept of an event, from its name and its payload.
        """
        self._note = note
        self.away = False
        self.released = threading.Event()
        self.released.set()
        self.asked = threading.Event()
        self.took: list[Note] = []

    def __call__(self, name: str, resource: Mapping[str, str], payload: Mapping[str, Any]) -> bool:
        self.asked.set()
        assert self.released.wait(60)
        self.took.append(self._note(name, payload))
        return not self.away

    def connected(self, patch: pytest.MonkeyPatch) -> "PrefectServer[Note]":
        """The same, which gets the events of this process; the feedback database is a file."""
        patch.delenv(feedback_database.ADDRESS, raising=False)
        patch.setattr(events, "_send", self)
        patch.setattr(prefect_api, "configured", lambda: True)
        return self
